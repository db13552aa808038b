package receipt

import (
	"strings"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
)

// fitsConversation recognises the events of the Conversation API by their app id.
func fitsConversation(f fields) bool {
	return f.has("message_delivery_report") || (f.has("app_id") && (f.has("project_id") || f.has("message")))
}

// readConversation reads a delivery report; other events are ignored.
func readConversation(f fields) []Receipt {
	if !f.has("message_delivery_report") {
		return nil
	}
	var report, channel fields
	f.into("message_delivery_report", &report)
	report.into("channel_identity", &channel)
	r := Receipt{
		Kind: KindReport, Ref: conversationRef(f, report), SinchID: report.text("message_id").ID(),
		Recipient: channel.text("identity").ID(), At: instant(f.text("event_time")),
	}
	r = judgeConversation(r, report)
	if r.State != message.ReceiptNone {
		r.SentAs = form(channel.text("channel"))
	}
	return []Receipt{r}
}

// conversationRef returns the reference of the attempt, which Sinch returns twice as
// metadata and as correlation id.
func conversationRef(f, report fields) string {
	for _, given := range []sinch.Text{report.text("metadata"), f.text("message_metadata"), f.text("correlation_id")} {
		if given != "" {
			return given.ID()
		}
	}
	return ""
}

// judgeConversation decides by the status and by the code of the reason, which
// Sinch gives for FAILED and SWITCHING_CHANNEL (Conversation API reference,
// message delivery receipt). A reason beside another status contradicts it,
// unless it is the enum's default. After SWITCHING_CHANNEL, which proves nothing,
// the reports of the next channel follow.
func judgeConversation(r Receipt, report fields) Receipt {
	status := report.text("status")
	byStatus, known := conversationStates[strings.ToUpper(string(status))]
	r.State, r.Code, r.Detail, r.SinchCode = byStatus.state, byStatus.reason, byStatus.detail, status.Code()
	if !known {
		return unproven(r, UnprovenStatus)
	}
	var reason fields
	report.into("reason", &reason)
	code := reason.text("code")
	if byStatus.state == message.ReceiptNone || code == "" {
		return r
	}
	byCode, known := conversationReasons[string(code)]
	switch {
	case byStatus.state != message.ReceiptUndelivered && code == reasonDefault:
		return r
	case !known:
		r.SinchCode = code.Code()
		r.Code, r.Detail = "", ""
		return unproven(r, UnprovenCode)
	case byStatus.state != message.ReceiptUndelivered:
		r.SinchCode = status.Code() + " " + code.Code()
		r.Code, r.Detail = "", ""
		return unproven(r, UnprovenContradiction)
	}
	r.State, r.Code, r.Detail, r.SinchCode = byCode.state, byCode.reason, byCode.detail, code.Code()
	return r
}
