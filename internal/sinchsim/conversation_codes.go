package sinchsim

import (
	"net/http"
	"slices"
	"strings"
)

// The errors of the Conversation API, which are gRPC's, with their HTTP status.
var conversationErrors = map[string]int{
	"INVALID_ARGUMENT":    http.StatusBadRequest,
	"FAILED_PRECONDITION": http.StatusBadRequest,
	"OUT_OF_RANGE":        http.StatusBadRequest,
	"UNAUTHENTICATED":     http.StatusUnauthorized,
	"PERMISSION_DENIED":   http.StatusForbidden,
	"NOT_FOUND":           http.StatusNotFound,
	"RESOURCE_EXHAUSTED":  http.StatusTooManyRequests,
	"INTERNAL":            http.StatusInternalServerError,
	"UNIMPLEMENTED":       http.StatusNotImplemented,
	"UNAVAILABLE":         http.StatusServiceUnavailable,
}

// conversationError is a refusal.
type conversationError struct {
	code   string
	text   string
	header map[string]string
}

type conversationErrorBody struct {
	Error conversationErrorDetail `json:"error"`
}

type conversationErrorDetail struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
	Details []any  `json:"details"`
}

func conversationFailure(code, text string) *conversationError {
	return &conversationError{code: code, text: text}
}

func invalid(text string) *conversationError { return conversationFailure("INVALID_ARGUMENT", text) }

func (e *conversationError) reply() reply {
	status, ok := conversationErrors[e.code]
	if !ok {
		status = http.StatusBadRequest
	}
	body := conversationErrorBody{conversationErrorDetail{Code: status, Message: e.text, Status: e.code, Details: []any{}}}
	return reply{status: status, header: e.header, body: encode(body)}
}

// conversationResponder answers a send.
type conversationResponder struct{}

func (conversationResponder) refuse(code string) reply {
	return conversationFailure(code, "The request was refused.").reply()
}

func (conversationResponder) throttle() reply {
	return conversationFailure("RESOURCE_EXHAUSTED", "Too many requests.").reply()
}

// The codes of delivery reports: statuses, and the reasons that go with FAILED.
const (
	codeQueuedOnChannel    = "QUEUED_ON_CHANNEL"
	codeSwitchingChannel   = "SWITCHING_CHANNEL"
	codeDeliveredOnChannel = "DELIVERED"
	codeRead               = "READ"
	codeFailed             = "FAILED"

	codeBadRequest     = "BAD_REQUEST"
	codeMessageExpired = "MESSAGE_EXPIRED"
	codeNotReachable   = "RECIPIENT_NOT_REACHABLE"
	codeNotOptedIn     = "RECIPIENT_NOT_OPTED_IN"
	codeMediaMissing   = "MEDIA_NOT_REACHABLE"
	codeChannelReject  = "CHANNEL_REJECT"
	codeChannelFailure = "CHANNEL_FAILURE"
)

// onSMS marks the codes of reports that follow a switch of the channel.
const onSMS = channelSMS + ":"

// conversationCodes are the report codes of an outcome. Those that end as SMS
// need a message that allows it; without, the phone just cannot be reached.
func conversationCodes(r Receipts, sms bool) []string {
	if len(r.Codes) > 0 {
		return switched(r.Codes)
	}
	switch r.outcome() {
	case OutcomeDelivered:
		return []string{codeQueuedOnChannel, codeDeliveredOnChannel}
	case OutcomeRejected:
		return []string{codeQueuedOnChannel, codeChannelReject}
	case OutcomeFailed:
		return []string{codeQueuedOnChannel, codeChannelFailure}
	case OutcomeExpired:
		return []string{codeQueuedOnChannel, codeMessageExpired}
	case OutcomeMedia:
		return []string{codeMediaMissing}
	case OutcomeBlocked:
		return []string{codeNotOptedIn}
	case OutcomeSMS, OutcomeSMSFailed:
		return smsCodes(r.outcome(), sms)
	case OutcomeSent, OutcomeNone:
	}
	return []string{codeQueuedOnChannel}
}

func smsCodes(o Outcome, allowed bool) []string {
	switch {
	case !allowed:
		return []string{codeQueuedOnChannel, codeNotReachable}
	case o == OutcomeSMS:
		return switched([]string{codeQueuedOnChannel, codeSwitchingChannel, codeQueuedOnChannel, codeDeliveredOnChannel})
	default:
		return switched([]string{codeQueuedOnChannel, codeSwitchingChannel, codeQueuedOnChannel, codeChannelReject})
	}
}

// switched marks the codes after a switch.
func switched(codes []string) []string {
	marked := slices.Clone(codes)
	for i := slices.Index(codes, codeSwitchingChannel) + 1; i > 0 && i < len(marked); i++ {
		marked[i] = onSMS + codes[i]
	}
	return marked
}

// reported takes a code apart: its channel, the status of the report, and the
// reason where there is one.
func reported(code string) (channel, status, reason string) {
	channel = channelMMS
	if rest, ok := strings.CutPrefix(code, onSMS); ok {
		channel, code = channelSMS, rest
	}
	switch code {
	case codeSwitchingChannel:
		return channel, code, codeNotReachable
	case codeQueuedOnChannel, codeDeliveredOnChannel, codeRead, codeFailed:
		return channel, code, ""
	default:
		return channel, codeFailed, code
	}
}

// conversationMagic is how the Conversation API acts out the magic numbers. It
// looks at media and opt-outs only later, so 9002 and 9003 fail by report.
func conversationMagic() magicTable {
	return magicTable{
		"9001": {Behavior: Behavior{Answer: AnswerRefuse, Code: "INVALID_ARGUMENT"}},
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
