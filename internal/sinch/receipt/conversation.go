package receipt

import (
	"strings"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
)

// fitsConversation knows the events of the Conversation API by their app.
func fitsConversation(f fields) bool {
	return f.has("message_delivery_report") || (f.has("app_id") && (f.has("project_id") || f.has("message")))
}

// readConversation reads a delivery report; other events are of no use.
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

// conversationRef is our reference. It comes back twice as metadata, and as
// correlation id.
func conversationRef(f, report fields) string {
	for _, given := range []sinch.Text{report.text("metadata"), f.text("message_metadata"), f.text("correlation_id")} {
		if given != "" {
			return given.ID()
		}
	}
	return ""
}

// judgeConversation decides on the status, and on the reason's code where the
// status says that it failed. A failure on one channel that is followed by
// another one is told as SWITCHING_CHANNEL and proves nothing.
func judgeConversation(r Receipt, report fields) Receipt {
	status := report.text("status")
	v := conversationStates[strings.ToUpper(string(status))]
	r.State, r.Code, r.Detail, r.SinchCode = v.state, v.reason, v.detail, status.Code()
	if v.state != message.ReceiptUndelivered {
		return r
	}
	var reason fields
	report.into("reason", &reason)
	code := reason.text("code")
	if code == "" {
		return r
	}
	r.SinchCode = code.Code()
	if v, ok := conversationReasons[string(code)]; ok {
		r.State, r.Code, r.Detail = v.state, v.reason, v.detail
	}
	return r
}
