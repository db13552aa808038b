package mms

import (
	"strings"
	"time"

	"mmsdispatch/internal/sinchsim"
)

// sentMessage has the fields of an accepted message for its receipts.
type sentMessage struct {
	to, from, reference, mmsID, trackingID string
}

// receipt is a postback of the MMS API.
type receipt struct {
	Origin     string `json:"origin"`
	Code       string `json:"code"`
	SentAs     string `json:"sent-as,omitzero"`
	Status     string `json:"status,omitzero"`
	Details    string `json:"status-details,omitzero"`
	From       string `json:"from,omitzero"`
	To         string `json:"to,omitzero"`
	MMSID      string `json:"mms-id,omitzero"`
	TrackingID string `json:"tracking-id,omitzero"`
	Reference  string `json:"client-reference,omitzero"`
	OperatorID string `json:"operator-id,omitzero"`
	Timestamp  string `json:"timestamp,omitzero"`
}

// receiptCodes are the receipts of an outcome.
func receiptCodes(r sinchsim.Receipts) []string {
	if len(r.Codes) > 0 {
		return r.Codes
	}
	switch r.OutcomeOrDefault() {
	case sinchsim.OutcomeDelivered:
		return []string{"N101", "N102"}
	case sinchsim.OutcomeRejected, sinchsim.OutcomeBlocked:
		return []string{"N101", "E102"}
	case sinchsim.OutcomeFailed:
		return []string{"N101", "E101"}
	case sinchsim.OutcomeExpired:
		return []string{"N101", "N103"}
	case sinchsim.OutcomeMedia:
		return []string{"E011"}
	case sinchsim.OutcomeSMS:
		return []string{"N101", "N202"}
	case sinchsim.OutcomeSMSFailed:
		return []string{"N101", "E202"}
	case sinchsim.OutcomeSent:
		return []string{"N101"}
	case sinchsim.OutcomeNone:
	}
	return nil
}

// statusOf is the text of a code.
func statusOf(code string) (status, details string) {
	switch code {
	case "N013":
		return "Processing", "Transcoding done, sending triggered"
	case "N101":
		return "Sent", "Message Sent"
	case "N102":
		return "Delivered", "Message Delivered"
	case "N103":
		return "Expired", "Message Expired"
	case "N202":
		return "Delivered", "Message Delivered as SMS"
	case "E102":
		return "Rejected", "Recipient blocked by mobile operator"
	default:
		return "Failed", "Message Failed"
	}
}

func (a *api) receipts(m sentMessage, r sinchsim.Receipts, start time.Time) []*sinchsim.Event {
	o := a.sim.Options()
	if o.MMS.CallbackURL == "" && o.Receipts.Deliver == nil {
		return nil
	}
	steps := o.Receipts.Timeline(receiptCodes(r), r, start, a.sim.Random().Next())
	notices := r.Notices(steps)
	events := make([]*sinchsim.Event, len(notices))
	for i, n := range notices {
		events[i] = a.event(m.receipt(n.Step), n.Due)
	}
	return events
}

func (a *api) event(body receipt, due time.Time) *sinchsim.Event {
	return &sinchsim.Event{Due: due, Receipt: sinchsim.Receipt{
		API: sinchsim.APIMMS, URL: a.sim.Options().MMS.CallbackURL,
		Reference: body.Reference, Code: body.Code, Body: sinchsim.Encode(body),
	}}
}

func (m sentMessage) receipt(s sinchsim.Step) receipt {
	status, details := statusOf(s.Code)
	body := receipt{
		Origin: "MMS_MT", Code: s.Code, Status: status, Details: details,
		From: m.from, To: m.to, MMSID: m.mmsID, TrackingID: m.trackingID, Reference: m.reference,
	}
	if strings.HasPrefix(s.Code, "N") { // failures may come without these
		body.SentAs, body.OperatorID = "MMS", sinchsim.OperatorID
		body.Timestamp = s.At.UTC().Format(time.RFC3339)
	}
	if s.Code == "N202" || s.Code == "E202" {
		body.SentAs = "SMS"
	}
	return body
}
