package batches

import (
	"net/http"
	"slices"
	"strconv"

	"mmsdispatch/internal/sinchsim"
)

// refusal is a refusal. Only 400 and 403 carry a body.
type refusal struct {
	status int
	code   string
	text   string
}

type refusalBody struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

func failure(code, text string) *refusal {
	status, ok := sinchsim.BatchesStatus(code)
	if !ok {
		status = http.StatusForbidden
	}
	return &refusal{status: status, code: code, text: text}
}

func (e *refusal) label() string {
	if e.code == "" {
		return strconv.Itoa(e.status)
	}
	return e.code
}

func (e *refusal) reply() sinchsim.Reply {
	answer := sinchsim.Reply{Status: e.status}
	if e.code != "" {
		answer.Body = sinchsim.Encode(refusalBody{e.code, e.text})
	}
	return answer
}

// responder answers a call about a batch.
type responder struct{}

func (responder) Refuse(code string) sinchsim.Reply {
	return failure(code, "The request was refused.").reply()
}

func (responder) Throttle() sinchsim.Reply { return sinchsim.Reply{Status: http.StatusTooManyRequests} }

// The codes of delivery reports that the simulator uses by itself.
const (
	codeDelivered        = "0"
	codeQueued           = "400"
	codeDispatched       = "401"
	codeTemporary        = "404"
	codeParameterMissing = "405"
	codeExpired          = "406"
	codeCancelled        = "407"
	codeBadMedia         = "414"
	codeRejected         = "415"
	codeBlockedNumber    = "3001"
)

// reportCodes are the report codes of an outcome. There is no fallback to SMS in
// this API, so such a message is simply delivered.
func reportCodes(r sinchsim.Receipts) []string {
	if len(r.Codes) > 0 {
		return r.Codes
	}
	switch r.OutcomeOrDefault() {
	case sinchsim.OutcomeDelivered, sinchsim.OutcomeSMS:
		return []string{codeDispatched, codeDelivered}
	case sinchsim.OutcomeRejected:
		return []string{codeDispatched, codeRejected}
	case sinchsim.OutcomeFailed, sinchsim.OutcomeSMSFailed:
		return []string{codeDispatched, codeTemporary}
	case sinchsim.OutcomeExpired:
		return []string{codeDispatched, codeExpired}
	case sinchsim.OutcomeMedia:
		return []string{codeBadMedia}
	case sinchsim.OutcomeBlocked:
		return []string{codeBlockedNumber}
	case sinchsim.OutcomeSent, sinchsim.OutcomeNone:
	}
	return []string{codeDispatched}
}

// statusOf is the status that goes with a report code.
func statusOf(code string) string {
	switch code {
	case codeDelivered, "1000":
		return "Delivered"
	case codeQueued:
		return "Queued"
	case codeDispatched:
		return "Dispatched"
	case codeExpired:
		return "Expired"
	case codeCancelled:
		return "Cancelled"
	case "402", "403", codeTemporary, codeParameterMissing, "408", "410", "411":
		return "Aborted"
	case codeBadMedia, codeRejected, "416", "417", "418", codeBlockedNumber:
		return "Rejected"
	default:
		return "Failed"
	}
}

func isFinal(code string) bool { return !slices.Contains([]string{codeQueued, codeDispatched}, code) }

// codeNumber is a code in the format of reports; a code that is no number becomes the
// general failure code.
func codeNumber(code string) int {
	n, err := strconv.Atoi(code)
	if err != nil {
		n, _ = strconv.Atoi(codeTemporary)
	}
	return n
}

// magicNumbers are the SMS REST API's behaviours of the magic numbers. It has no block
// list and fetches media after acceptance, so 9002 and 9003 fail by report.
func magicNumbers() sinchsim.MagicTable {
	return sinchsim.MagicTable{
		"9001": {Behavior: sinchsim.Behavior{Answer: sinchsim.AnswerRefuse, Code: "illegal_number_type"}},
		"9002": {Behavior: sinchsim.Behavior{Receipts: sinchsim.Receipts{Outcome: sinchsim.OutcomeBlocked}}},
		"9003": {Behavior: sinchsim.Behavior{Receipts: sinchsim.Receipts{Outcome: sinchsim.OutcomeMedia}}},
		"9004": {Behavior: sinchsim.Behavior{Receipts: sinchsim.Receipts{Outcome: sinchsim.OutcomeRejected}}},
		"9005": {Behavior: sinchsim.Behavior{Receipts: sinchsim.Receipts{Outcome: sinchsim.OutcomeExpired}}},
		"9006": {Behavior: sinchsim.Behavior{Answer: sinchsim.AnswerThrottle}, Times: 2},
		"9007": {Behavior: sinchsim.Behavior{Receipts: sinchsim.Receipts{Outcome: sinchsim.OutcomeNone}}},
		"9008": {Behavior: sinchsim.Behavior{Answer: sinchsim.AnswerHang, Receipts: sinchsim.Receipts{Outcome: sinchsim.OutcomeNone}}},
		"9009": {Behavior: sinchsim.Behavior{Answer: sinchsim.AnswerHang}},
		"9010": {Behavior: sinchsim.Behavior{Receipts: sinchsim.Receipts{Outcome: sinchsim.OutcomeSMS}}},
	}
}
