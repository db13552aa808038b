package receipt

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
)

// fitsBatches knows a callback of the SMS REST API by its type; a type that
// came later, by the batch it is about.
func fitsBatches(f fields) bool {
	return f.has("batch_id") || slices.Contains(batchTypes(), string(f.text("type")))
}

// batchTypes are what the SMS REST API posts (developers.sinch.com, SMS API
// reference, webhooks).
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
		var statuses []batchStatus
		f.into("statuses", &statuses)
		all = perStatus(base, statuses)
	} else {
		base.Recipient = f.text("recipient").ID()
		all = []Receipt{judge(base, f.text("code"), f.text("status"))}
	}
	_, as, _ := strings.Cut(string(f.text("type")), "delivery_report_")
	for i := range all {
		if all[i].State == message.ReceiptDelivered {
			all[i].SentAs = form(sinch.Text(as))
		}
	}
	return all
}

// maxRecipients is the most a batch can have (SMS API reference, batches). A
// report with more is not Sinch's, and each of them costs a look into the
// ledger.
const maxRecipients = 1000

// batchStatus is how many recipients have one status, and in full reports which.
type batchStatus struct {
	Code       sinch.Text   `json:"code"`
	Status     sinch.Text   `json:"status"`
	Recipients []sinch.Text `json:"recipients"`
}

// perStatus takes a summary or full report apart. A summary names nobody: with
// one status it holds for everybody, with several it proves nothing about any
// single message.
func perStatus(base Receipt, statuses []batchStatus) []Receipt {
	var all []Receipt
	for _, s := range statuses {
		if len(all) == maxRecipients {
			return all
		}
		one := judge(base, s.Code, s.Status)
		if len(s.Recipients) == 0 {
			if len(statuses) > 1 {
				one.State, one.Code, one.Detail = message.ReceiptNone, "", ""
			}
			all = append(all, one)
			continue
		}
		for _, recipient := range s.Recipients[:min(len(s.Recipients), maxRecipients-len(all))] {
			one.Recipient = recipient.ID()
			all = append(all, one)
		}
	}
	return all
}

// judge decides on the code first and on the status second: which status goes
// with which of the later codes is written down nowhere.
func judge(r Receipt, code, status sinch.Text) Receipt {
	name := strings.ToLower(string(status))
	s := batchStates[name]
	r.State, r.Code, r.Detail, r.SinchCode = s.state, s.reason, s.detail, status.Code()
	n, err := strconv.Atoi(string(code))
	if err != nil {
		return r
	}
	r.SinchCode = sinch.Text(strconv.Itoa(n)).Code()
	if c, ok := batchCodes[n]; ok && name != statusUnknown {
		r.State, r.Code, r.Detail = c.state, c.reason, c.detail
	}
	if n == codeBlocked && r.State == message.ReceiptUndelivered {
		r.Code, r.Detail = message.ReasonSuppressed, "recipient is on the block list"
	}
	return r
}

// inboundBatches reads an inbound message: the body is a text, or an object
// with a text and media. A subject speaks where there is no text.
func inboundBatches(f fields) Receipt {
	var media struct {
		Subject sinch.Text        `json:"subject"`
		Message sinch.Text        `json:"message"`
		Media   []json.RawMessage `json:"media"`
	}
	f.into("body", &media)
	said := f.text("body")
	switch f.text("type") {
	case typeInboundMedia:
		said = cmp.Or(media.Message, media.Subject)
	case typeInboundBinary:
		said = "" // base64 of no text
	}
	return Receipt{
		Kind: KindInbound, Ref: f.text("client_reference").ID(), At: instant(f.text("received_at")), Detail: "inbound message",
		Inbound: Inbound{
			ID: f.text("id").ID(), From: digits(f.text("from")), To: digits(f.text("to")), Text: words(said), Media: len(media.Media),
		},
	}
}
