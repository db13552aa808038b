package conversation

import (
	"net/http"
	"slices"
	"strings"

	"mmsdispatch/internal/sinchsim"
)

// refusal is a refusal.
type refusal struct {
	code   string
	text   string
	header map[string]string
}

type refusalBody struct {
	Error refusalDetail `json:"error"`
}

type refusalDetail struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
	Details []any  `json:"details"`
}

func failure(code, text string) *refusal {
	return &refusal{code: code, text: text}
}

func invalid(text string) *refusal { return failure("INVALID_ARGUMENT", text) }

func (e *refusal) reply() sinchsim.Reply {
	status, ok := sinchsim.ConversationStatus(e.code)
	if !ok {
		status = http.StatusBadRequest
	}
	body := refusalBody{refusalDetail{Code: status, Message: e.text, Status: e.code, Details: []any{}}}
	return sinchsim.Reply{Status: status, Header: e.header, Body: sinchsim.Encode(body)}
}

// responder answers a send.
type responder struct{}

func (responder) Refuse(code string) sinchsim.Reply {
	return failure(code, "The request was refused.").reply()
}

func (responder) Throttle() sinchsim.Reply {
	return failure("RESOURCE_EXHAUSTED", "Too many requests.").reply()
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

// reportCodes are the report codes of an outcome. An SMS needs a message that allows
// it; otherwise the recipient cannot be reached.
func reportCodes(r sinchsim.Receipts, sms bool) []string {
	if len(r.Codes) > 0 {
		return switched(r.Codes)
	}
	switch r.OutcomeOrDefault() {
	case sinchsim.OutcomeDelivered:
		return []string{codeQueuedOnChannel, codeDeliveredOnChannel}
	case sinchsim.OutcomeRejected:
		return []string{codeQueuedOnChannel, codeChannelReject}
	case sinchsim.OutcomeFailed:
		return []string{codeQueuedOnChannel, codeChannelFailure}
	case sinchsim.OutcomeExpired:
		return []string{codeQueuedOnChannel, codeMessageExpired}
	case sinchsim.OutcomeMedia:
		return []string{codeMediaMissing}
	case sinchsim.OutcomeBlocked:
		return []string{codeNotOptedIn}
	case sinchsim.OutcomeSMS, sinchsim.OutcomeSMSFailed:
		return smsCodes(r.OutcomeOrDefault(), sms)
	case sinchsim.OutcomeSent, sinchsim.OutcomeNone:
	}
	return []string{codeQueuedOnChannel}
}

func smsCodes(o sinchsim.Outcome, allowed bool) []string {
	switch {
	case !allowed:
		return []string{codeQueuedOnChannel, codeNotReachable}
	case o == sinchsim.OutcomeSMS:
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

// reported splits a code into its channel, the status of the report, and the reason,
// which may be empty.
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

// magicNumbers are the Conversation API's behaviours of the magic numbers. It checks
// media and opt-outs after acceptance, so 9002 and 9003 fail by report.
func magicNumbers() sinchsim.MagicTable {
	return sinchsim.MagicTable{
		"9001": {Behavior: sinchsim.Behavior{Answer: sinchsim.AnswerRefuse, Code: "INVALID_ARGUMENT"}},
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
