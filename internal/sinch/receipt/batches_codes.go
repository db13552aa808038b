package receipt

import (
	"strconv"

	"mmsdispatch/internal/message"
)

// batchVerdict is the meaning of a code or a status of a delivery report.
type batchVerdict struct {
	state  message.ReceiptState
	reason message.ReasonCode
	detail string
}

// agrees reports whether two halves of a report prove the same state.
func (v batchVerdict) agrees(o batchVerdict) bool { return v.state == o.state }

// batchCodes is a line of the table of codes: those from first to last have one
// meaning. Without a reason, that of the status applies.
type batchCodes struct {
	first, last int
	verdict     batchVerdict
}

// batchCodeTable is the table of codes in delivery reports of the SMS REST API:
// up to 418 its own (developers.sinch.com, SMS API reference, delivery report
// error codes), from 1000 those of Sinch's MM7 service, which carries the
// messages (sinch/docs, MM7 service).
var batchCodeTable = []batchCodes{
	{0, 0, batchVerdict{state: message.ReceiptDelivered, detail: detailDelivered}},
	{400, 400, batchVerdict{state: message.ReceiptSent, detail: "queued"}},
	{401, 401, batchVerdict{state: message.ReceiptSent, detail: "sent to the carrier"}},
	{402, 402, failed(message.ReasonInternal, "no route")},
	{403, 403, failed(message.ReasonInternal, "internal error of Sinch")},
	{404, 404, failed(message.ReasonCarrier, "temporary failure of delivery")},
	{405, 405, failed(message.ReasonInternal, "a parameter of the text is missing")},
	{406, 406, failed(message.ReasonExpired, "expired at Sinch")},
	{407, 407, failed(message.ReasonCarrier, "canceled at Sinch")},
	{408, 408, failed(message.ReasonInternal, "rejected by Sinch")},
	{410, 410, failed(message.ReasonInternal, "no sender")},
	{411, 411, failed(message.ReasonInternal, "too many parts")},
	{412, 412, failed(message.ReasonAccount, "region is not provisioned")},
	{413, 413, failed(message.ReasonAccount, "account is blocked or out of credit")},
	{414, 414, failed(message.ReasonMedia, "media could not be fetched")},
	{415, 415, failed(message.ReasonCarrier, "rejected by the handset")},
	{416, 416, failed(message.ReasonCarrier, "not supported by the handset")},
	{417, 417, failed(message.ReasonCarrier, "handset is unreachable")},
	{418, 418, failed(message.ReasonCarrier, "not recognised by the handset")},
	{1000, 1000, batchVerdict{state: message.ReceiptSent, detail: "taken by the carrier"}},
	{2000, 2099, failed(message.ReasonContent, "content is not valid for the carrier")},
	{2500, 2599, failed(message.ReasonInternal, "request is not valid for the carrier")},
	{3000, 3000, failed("", "internal error of Sinch")},
	{3001, 3001, failed(message.ReasonSuppressed, "recipient is on the block list")},
	{3003, 3003, failed(message.ReasonMedia, "media could not be fetched")},
	{3500, 3500, failed("", "no answer of the carrier in time")},
	{3510, 3510, failed(message.ReasonThrottled, "too fast for the carrier")},
	{3520, 3520, failed(message.ReasonAccount, "account is not provisioned")},
	{4000, 4007, failed("", "refused by the carrier")},
}

func failed(reason message.ReasonCode, detail string) batchVerdict {
	return batchVerdict{state: message.ReceiptUndelivered, reason: reason, detail: detail}
}

// codeSuccess is MM7's code of success. It agrees with each status that is no
// failure.
const codeSuccess = "1000"

// batchCode returns the meaning of a code without sign, leading zeros and fraction.
func batchCode(code string) (batchVerdict, bool) {
	n, err := strconv.Atoi(code)
	if err != nil || strconv.Itoa(n) != code {
		return batchVerdict{}, false
	}
	for _, line := range batchCodeTable {
		if line.first <= n && n <= line.last {
			return line.verdict, true
		}
	}
	return batchVerdict{}, false
}

// batchStates is the table of statuses (developers.sinch.com, SMS API reference,
// delivery reports), in lower case: one of Sinch's SDKs lists them in capitals.
// Unknown is final and stands for a missing or unusable report: no failure, and no
// proof of delivery.
var batchStates = map[string]batchVerdict{
	"queued":     {state: message.ReceiptSent, detail: "queued"},
	"dispatched": {state: message.ReceiptSent, detail: "sent to the carrier"},
	"unknown":    {state: message.ReceiptSent, detail: "sent, no report from the carrier"},
	"delivered":  {state: message.ReceiptDelivered, detail: detailDelivered},
	"aborted":    {state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "stopped before the carrier"},
	"cancelled":  {state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "canceled at Sinch"},
	"canceled":   {state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "canceled at Sinch"},
	"rejected":   {state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "rejected by the carrier"},
	"deleted":    {state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "removed by the carrier"},
	"failed":     {state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "not delivered"},
	"expired":    {state: message.ReceiptUndelivered, reason: message.ReasonExpired, detail: "expired"},
}
