package receipt

import (
	"encoding/json"
	"strings"

	"mmsdispatch/internal/message"
)

// mmsCode is what a postback code of the MMS JSON API means.
type mmsCode struct {
	kind   Kind
	state  message.ReceiptState
	sentAs string
	reason message.ReasonCode
	detail string
}

// mmsCodes is the table of postback codes (developers.sinch.com, MMS API
// reference, postback notification codes). It is never written to.
var mmsCodes = map[string]mmsCode{ //nolint:gochecknoglobals // a constant table
	"N013": {kind: KindReport, state: message.ReceiptSent, detail: "transcoded"},
	"N101": {kind: KindReport, state: message.ReceiptSent, detail: "sent to the carrier"},
	"N102": {kind: KindReport, state: message.ReceiptDelivered, detail: "delivered"},
	"N103": {kind: KindReport, state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "expired at the carrier"},
	"N202": {kind: KindReport, state: message.ReceiptDelivered, sentAs: "SMS", detail: "delivered as SMS"},
	"E011": {kind: KindReport, state: message.ReceiptUndelivered, reason: message.ReasonMedia, detail: "content validation failed"},
	"E012": {kind: KindReport, state: message.ReceiptUndelivered, reason: message.ReasonMedia, detail: "audio could not be encoded"},
	"E013": {kind: KindReport, state: message.ReceiptUndelivered, reason: message.ReasonMedia, detail: "video could not be encoded"},
	"E101": {kind: KindReport, state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "could not be sent"},
	"E102": {kind: KindReport, state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "rejected by carrier or handset"},
	"E202": {kind: KindReport, state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "fallback SMS failed"},
	"E999": {kind: KindReport, state: message.ReceiptUndelivered, reason: message.ReasonInternal, detail: "error in Sinch's queue"},

	"N003": {kind: KindTemplate, detail: "saved media are ready"},
	"E002": {kind: KindTemplate, detail: "audio of saved media could not be encoded"},
	"E003": {kind: KindTemplate, detail: "video of saved media could not be encoded"},
	"E004": {kind: KindTemplate, detail: "image of saved media could not be encoded"},

	"N401": {kind: KindInbound},
}

type mmsPostback struct {
	Code       text `json:"code"`
	SentAs     text `json:"sent-as"`
	From       text `json:"from"`
	To         text `json:"to"`
	Timestamp  text `json:"timestamp"`
	TrackingID text `json:"tracking-id"`
	Tracking   text `json:"trackingid"`
	Ref        text `json:"client-reference"`
	Keyword    text `json:"keyword"`
	Subject    text `json:"message-subject"`
}

// parseMMS reads a postback. The code alone decides: the texts beside it have
// changed over the years.
func parseMMS(body []byte) []Receipt {
	var p mmsPostback
	if err := json.Unmarshal(body, &p); err != nil {
		return nil
	}
	code, known := mmsCodes[string(p.Code)]
	if !known {
		code = mmsCode{kind: KindReport}
		if p.Ref == "" {
			code.kind = KindOther
		}
	}
	r := Receipt{
		Shape: ShapeMMS, Kind: code.kind, Ref: string(p.Ref), SinchID: string(p.TrackingID), Recipient: string(p.To),
		State: code.state, SentAs: code.sentAs, Code: code.reason, SinchCode: string(p.Code), Detail: code.detail, At: instant(p.Timestamp),
	}
	if r.SinchID == "" {
		r.SinchID = string(p.Tracking)
	}
	if as := strings.ToUpper(string(p.SentAs)); r.SentAs == "" && (as == "MMS" || as == "SMS") && r.State == message.ReceiptDelivered {
		r.SentAs = as
	}
	if r.Kind == KindInbound {
		r.Inbound = Inbound{From: string(p.From), To: string(p.To), Text: string(p.Keyword)}
	}
	return []Receipt{r}
}
