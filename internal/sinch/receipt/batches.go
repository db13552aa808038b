package receipt

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
)

// fitsBatches recognises a callback of the SMS REST API by its type, and one of a
// type added later by its batch id.
func fitsBatches(f fields) bool {
	return f.has("batch_id") || slices.Contains(batchTypes(), string(f.text("type")))
}

// batchTypes are the types of the SMS REST API's callbacks (developers.sinch.com,
// SMS API reference, webhooks).
func batchTypes() []string {
	return []string{
		"delivery_report_mms", "delivery_report_sms", "recipient_delivery_report_mms", "recipient_delivery_report_sms",
		typeInboundText, typeInboundBinary, typeInboundMedia,
	}
}

const (
	typeInboundText   = "mo_text"
	typeInboundBinary = "mo_binary"
	typeInboundMedia  = "mo_media"
)

// readBatches reads a delivery report in any of its styles, or an inbound
// message.
func readBatches(f fields) []Receipt {
	switch f.text("type") {
	case typeInboundText, typeInboundBinary, typeInboundMedia:
		return []Receipt{inboundBatches(f)}
	}
	base := Receipt{
		Kind: KindReport, Ref: f.text("client_reference").ID(), SinchID: f.text("batch_id").ID(), At: instant(f.text("at")),
	}
	var all []Receipt
	if f.has("statuses") {
		var statuses []fields
		f.into("statuses", &statuses)
		all = perStatus(base, statuses)
	} else {
		base.Recipient, base.Operator = f.text("recipient").ID(), operator(f.text("operator"))
		all = []Receipt{judgeBatches(base, f)}
	}
	_, as, _ := strings.Cut(string(f.text("type")), "delivery_report_")
	for i := range all {
		if all[i].State == message.ReceiptDelivered {
			all[i].SentAs = form(sinch.Text(as))
		}
	}
	return all
}

// maxRecipients is the maximum of a batch (SMS API reference, batches). A report
// with more is not Sinch's, and each recipient costs a read of the ledger.
const maxRecipients = 1000

// perStatus splits a summary or full report by recipient. A summary lists no
// recipients: with one status it applies to all of them, with several it proves
// nothing about a single message.
func perStatus(base Receipt, statuses []fields) []Receipt {
	var all []Receipt
	for _, s := range statuses {
		if len(all) == maxRecipients {
			return all
		}
		var recipients []sinch.Text
		s.into("recipients", &recipients)
		one := judgeBatches(base, s)
		if len(recipients) == 0 {
			if len(statuses) > 1 {
				one.State, one.Code, one.Detail = message.ReceiptNone, "", ""
			}
			all = append(all, one)
			continue
		}
		for _, recipient := range recipients[:min(len(recipients), maxRecipients-len(all))] {
			one.Recipient = recipient.ID()
			all = append(all, one)
		}
	}
	return all
}

// judgeBatches decides by status and code, both of which Sinch documents for each
// report (SMS API reference, delivery reports). A report proves a state only if
// they prove the same one; the reason is then the code's, since it is more precise.
func judgeBatches(r Receipt, f fields) Receipt {
	status, code := f.text("status"), f.text("code")
	r.SinchCode = cmp.Or(code.Code(), status.Code())
	byStatus, known := batchStates[strings.ToLower(string(status))]
	if !known {
		return unproven(r, UnprovenStatus)
	}
	byCode, known := batchCode(string(code))
	switch {
	case !known:
		return unproven(r, UnprovenCode)
	case byCode.agrees(byStatus):
		r.State, r.Code, r.Detail = byCode.state, cmp.Or(byCode.reason, byStatus.reason), byCode.detail
	case string(code) == codeSuccess && byStatus.state != message.ReceiptUndelivered:
		r.State, r.Detail = byStatus.state, byStatus.detail
	default:
		r.SinchCode = status.Code() + " " + code.Code()
		return unproven(r, UnprovenContradiction)
	}
	return r
}

// unproven marks a report that is added to the timeline and changes nothing else.
func unproven(r Receipt, why Unproven) Receipt {
	r.State, r.Unproven = message.ReceiptNone, why
	return r
}

// inboundBatches reads an inbound message: the body is a text, or an object
// with a text and media. Without a text, the subject replaces it.
func inboundBatches(f fields) Receipt {
	var media struct {
		Subject sinch.Text        `json:"subject"`
		Message sinch.Text        `json:"message"`
		Media   []json.RawMessage `json:"media"`
	}
	f.into("body", &media)
	text := f.text("body")
	switch f.text("type") {
	case typeInboundMedia:
		text = cmp.Or(media.Message, media.Subject)
	case typeInboundBinary:
		text = "" // base64 of no text
	}
	return Receipt{
		Kind: KindInbound, Ref: f.text("client_reference").ID(), At: instant(f.text("received_at")), Detail: "inbound message",
		Inbound: Inbound{
			ID: f.text("id").ID(), From: digits(f.text("from")), To: digits(f.text("to")),
			Text: words(text), Media: urls(media.Media, "url"),
		},
	}
}
