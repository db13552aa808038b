package sinchsim

import (
	"strings"
	"time"
)

// mmsSent is an accepted message as its receipts need it.
type mmsSent struct {
	to, from, reference, mmsID, trackingID string
}

// mmsReceipt is a postback of the MMS API.
type mmsReceipt struct {
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

// operatorID is the carrier that all simulated phones are with.
const operatorID = "31003"

// mmsCodes are the receipts of an outcome.
func mmsCodes(r Receipts) []string {
	if len(r.Codes) > 0 {
		return r.Codes
	}
	switch r.outcome() {
	case OutcomeDelivered:
		return []string{"N101", "N102"}
	case OutcomeRejected, OutcomeBlocked:
		return []string{"N101", "E102"}
	case OutcomeFailed:
		return []string{"N101", "E101"}
	case OutcomeExpired:
		return []string{"N101", "N103"}
	case OutcomeMedia:
		return []string{"E011"}
	case OutcomeSMS:
		return []string{"N101", "N202"}
	case OutcomeSMSFailed:
		return []string{"N101", "E202"}
	case OutcomeSent:
		return []string{"N101"}
	case OutcomeNone:
	}
	return nil
}

// mmsStatus is the text that goes with a code.
func mmsStatus(code string) (status, details string) {
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

func (a *mmsAPI) receipts(m mmsSent, r Receipts, start time.Time) []*event {
	o := a.sim.opts
	if o.MMS.CallbackURL == "" && o.Receipts.Deliver == nil {
		return nil
	}
	steps := o.Receipts.happen(mmsCodes(r), r, start, a.sim.rng.next())
	notices := r.notices(steps)
	events := make([]*event, len(notices))
	for i, n := range notices {
		events[i] = a.event(m.receipt(n.step), n.due)
	}
	return events
}

func (a *mmsAPI) event(body mmsReceipt, due time.Time) *event {
	return &event{due: due, Receipt: Receipt{
		API: APIMMS, URL: a.sim.opts.MMS.CallbackURL,
		Reference: body.Reference, Code: body.Code, Body: encode(body),
	}}
}

func (m mmsSent) receipt(s step) mmsReceipt {
	status, details := mmsStatus(s.code)
	body := mmsReceipt{
		Origin: "MMS_MT", Code: s.code, Status: status, Details: details,
		From: m.from, To: m.to, MMSID: m.mmsID, TrackingID: m.trackingID, Reference: m.reference,
	}
	if strings.HasPrefix(s.code, "N") { // failures may come without these
		body.SentAs, body.OperatorID = "MMS", operatorID
		body.Timestamp = s.at.UTC().Format(time.RFC3339)
	}
	if s.code == "N202" || s.code == "E202" {
		body.SentAs = "SMS"
	}
	return body
}
