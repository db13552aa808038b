package receipt

import "mmsdispatch/internal/message"

// batchVerdict is what a code or a status of a delivery report means.
type batchVerdict struct {
	state  message.ReceiptState
	reason message.ReasonCode
	detail string
}

// batchCodes is the table of codes in delivery reports of the SMS REST API
// (developers.sinch.com, SMS API reference, delivery report error codes). Other
// codes are the carrier's own, of SMPP or MM7; for them the status decides.
var batchCodes = map[int]batchVerdict{
	0:   {state: message.ReceiptDelivered, detail: detailDelivered},
	400: {state: message.ReceiptSent, detail: "queued"},
	401: {state: message.ReceiptSent, detail: "sent to the carrier"},
	402: {state: message.ReceiptUndelivered, reason: message.ReasonInternal, detail: "no route"},
	403: {state: message.ReceiptUndelivered, reason: message.ReasonInternal, detail: "internal error of Sinch"},
	404: {state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "temporary failure of delivery"},
	405: {state: message.ReceiptUndelivered, reason: message.ReasonInternal, detail: "a parameter of the text is missing"},
	406: {state: message.ReceiptUndelivered, reason: message.ReasonExpired, detail: "expired at Sinch"},
	407: {state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "canceled at Sinch"},
	408: {state: message.ReceiptUndelivered, reason: message.ReasonInternal, detail: "rejected by Sinch"},
	410: {state: message.ReceiptUndelivered, reason: message.ReasonInternal, detail: "no sender"},
	411: {state: message.ReceiptUndelivered, reason: message.ReasonInternal, detail: "too many parts"},
	412: {state: message.ReceiptUndelivered, reason: message.ReasonAccount, detail: "region is not provisioned"},
	413: {state: message.ReceiptUndelivered, reason: message.ReasonAccount, detail: "account is blocked or out of credit"},
	414: {state: message.ReceiptUndelivered, reason: message.ReasonMedia, detail: "medium could not be fetched"},
	415: {state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "rejected by the handset"},
	416: {state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "not supported by the handset"},
	417: {state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "handset is unreachable"},
	418: {state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "not recognised by the handset"},
}

// codeBlocked is the code of Sinch's MM7 service for a recipient on its block
// list. The status decides whether it failed; the code says why.
const codeBlocked = 3001

// statusUnknown is final, but says only that no usable receipt came back. It
// wins over any code: it is no failure, and nothing that proves delivery.
const statusUnknown = "unknown"

// batchStates is the table of statuses, in lower case: one of Sinch's SDKs
// lists them in capitals.
var batchStates = map[string]batchVerdict{
	"queued":      {state: message.ReceiptSent, detail: "queued"},
	"dispatched":  {state: message.ReceiptSent, detail: "sent to the carrier"},
	statusUnknown: {state: message.ReceiptSent, detail: "handed over, no word from the carrier"},
	"delivered":   {state: message.ReceiptDelivered, detail: detailDelivered},
	"aborted":     {state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "stopped before the carrier"},
	"cancelled":   {state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "canceled at Sinch"},
	"canceled":    {state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "canceled at Sinch"},
	"rejected":    {state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "rejected by the carrier"},
	"deleted":     {state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "removed by the carrier"},
	"failed":      {state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "not delivered"},
	"expired":     {state: message.ReceiptUndelivered, reason: message.ReasonExpired, detail: "expired"},
}
