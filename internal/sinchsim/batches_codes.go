package sinchsim

import (
	"net/http"
	"slices"
	"strconv"
)

// The error codes of the SMS REST API, with their HTTP status.
var xmsErrors = map[string]int{ //nolint:gochecknoglobals // a table
	"syntax_invalid_json":             http.StatusBadRequest,
	"syntax_invalid_parameter_format": http.StatusBadRequest,
	"syntax_constraint_violation":     http.StatusBadRequest,
	"unknown_group":                   http.StatusForbidden,
	"unknown_campaign":                http.StatusForbidden,
	"missing_callback_url":            http.StatusForbidden,
	"illegal_number_type":             http.StatusForbidden,
	"blocked_account":                 http.StatusForbidden,
	"batch_already_dispatched":        http.StatusForbidden,
	"conflict_send_at":                http.StatusForbidden,
	"conflict_group_name":             http.StatusForbidden,
}

// xmsError is a refusal. Only 400 and 403 carry a body.
type xmsError struct {
	status int
	code   string
	text   string
}

type xmsErrorBody struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

func xmsFailure(code, text string) *xmsError {
	status, ok := xmsErrors[code]
	if !ok {
		status = http.StatusForbidden
	}
	return &xmsError{status: status, code: code, text: text}
}

func (e *xmsError) label() string {
	if e.code == "" {
		return strconv.Itoa(e.status)
	}
	return e.code
}

func (e *xmsError) reply() reply {
	answer := reply{status: e.status}
	if e.code != "" {
		answer.body = encode(xmsErrorBody{e.code, e.text})
	}
	return answer
}

// xmsResponder answers a call about a batch.
type xmsResponder struct{}

func (xmsResponder) refuse(code string) reply {
	return xmsFailure(code, "The request was refused.").reply()
}

func (xmsResponder) throttle() reply { return reply{status: http.StatusTooManyRequests} }

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

// xmsCodes are the report codes of an outcome. There is no fallback to SMS in
// this API, so such a message is simply delivered.
func xmsCodes(r Receipts) []string {
	if len(r.Codes) > 0 {
		return r.Codes
	}
	switch r.outcome() {
	case OutcomeDelivered, OutcomeSMS:
		return []string{codeDispatched, codeDelivered}
	case OutcomeRejected:
		return []string{codeDispatched, codeRejected}
	case OutcomeFailed, OutcomeSMSFailed:
		return []string{codeDispatched, codeTemporary}
	case OutcomeExpired:
		return []string{codeDispatched, codeExpired}
	case OutcomeMedia:
		return []string{codeBadMedia}
	case OutcomeBlocked:
		return []string{codeBlockedNumber}
	case OutcomeSent, OutcomeNone:
	}
	return []string{codeDispatched}
}

// xmsStatus is the status that goes with a report code.
func xmsStatus(code string) string {
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

// codeNumber is a code as reports carry it; what is no number becomes the
// general failure code.
func codeNumber(code string) int {
	n, err := strconv.Atoi(code)
	if err != nil {
		n, _ = strconv.Atoi(codeTemporary)
	}
	return n
}

// xmsMagic is how the SMS REST API acts out the magic numbers. It knows no block
// list and looks at media only later, so 9002 and 9003 fail by report.
func xmsMagic() magicTable {
	return magicTable{
		"9001": {Behavior: Behavior{Answer: AnswerRefuse, Code: "illegal_number_type"}},
		"9002": {Behavior: Behavior{Receipts: Receipts{Outcome: OutcomeBlocked}}},
		"9003": {Behavior: Behavior{Receipts: Receipts{Outcome: OutcomeMedia}}},
		"9004": {Behavior: Behavior{Receipts: Receipts{Outcome: OutcomeRejected}}},
		"9005": {Behavior: Behavior{Receipts: Receipts{Outcome: OutcomeExpired}}},
		"9006": {Behavior: Behavior{Answer: AnswerThrottle}, times: 2},
		"9007": {Behavior: Behavior{Receipts: Receipts{Outcome: OutcomeNone}}},
		"9008": {Behavior: Behavior{Answer: AnswerHang, Receipts: Receipts{Outcome: OutcomeNone}}},
		"9009": {Behavior: Behavior{Answer: AnswerHang}},
		"9010": {Behavior: Behavior{Receipts: Receipts{Outcome: OutcomeSMS}}},
	}
}
