package receipt

import "mmsdispatch/internal/message"

// mmsCode is the meaning of a postback code of the MMS JSON API.
type mmsCode struct {
	kind   Kind
	state  message.ReceiptState
	sentAs string
	reason message.ReasonCode
	ready  bool
	detail string
}

// mmsCodes is the table of postback codes (developers.sinch.com, MMS API
// reference, postback notification codes).
var mmsCodes = map[string]mmsCode{
	"N013": {kind: KindReport, state: message.ReceiptSent, detail: "transcoded"},
	"N101": {kind: KindReport, state: message.ReceiptSent, detail: "sent to the carrier"},
	"N102": {kind: KindReport, state: message.ReceiptDelivered, detail: detailDelivered},
	"N103": {kind: KindReport, state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "expired at the carrier"},
	"N202": {kind: KindReport, state: message.ReceiptDelivered, sentAs: "SMS", detail: "delivered as SMS"},
	"E011": {kind: KindReport, state: message.ReceiptUndelivered, reason: message.ReasonMedia, detail: "content validation failed"},
	"E012": {kind: KindReport, state: message.ReceiptUndelivered, reason: message.ReasonMedia, detail: "audio could not be encoded"},
	"E013": {kind: KindReport, state: message.ReceiptUndelivered, reason: message.ReasonMedia, detail: "video could not be encoded"},
	"E101": {kind: KindReport, state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "could not be sent"},
	"E102": {kind: KindReport, state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "rejected by carrier or handset"},
	"E202": {kind: KindReport, state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "fallback SMS failed"},
	"E999": {kind: KindReport, state: message.ReceiptUndelivered, reason: message.ReasonInternal, detail: "error in Sinch's queue"},

	"N003": {kind: KindTemplate, ready: true, detail: "saved media are ready"},
	"E002": {kind: KindTemplate, detail: "audio of saved media could not be encoded"},
	"E003": {kind: KindTemplate, detail: "video of saved media could not be encoded"},
	"E004": {kind: KindTemplate, detail: "image of saved media could not be encoded"},

	"N401": {kind: KindInbound, detail: "inbound message"},

	"N501": {kind: KindOther, detail: detailDevice},
	"N502": {kind: KindOther, detail: detailDevice},
	"E501": {kind: KindOther, detail: detailDevice},
	"E502": {kind: KindOther, detail: detailDevice},
}
