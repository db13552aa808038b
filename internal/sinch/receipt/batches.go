package receipt

import (
	"encoding/json"
	"strconv"
	"strings"

	"mmsdispatch/internal/message"
)

// reportTypes and inboundTypes are what the SMS REST API posts
// (developers.sinch.com, SMS API reference, webhooks).
var (
	reportTypes = map[string]bool{ //nolint:gochecknoglobals // a constant table
		"delivery_report_mms": true, "delivery_report_sms": true,
		"recipient_delivery_report_mms": true, "recipient_delivery_report_sms": true,
	}
	inboundTypes = map[string]bool{ //nolint:gochecknoglobals // a constant table
		"mo_text": true, "mo_binary": true, "mo_media": true,
	}
)

// batchReasons says why a message was not delivered, by the codes of delivery
// reports that are not the carrier's doing (…/sms/delivery-reports/
// delivery-report-error-codes). The tables are never written to.
var batchReasons = map[int]message.ReasonCode{ //nolint:gochecknoglobals // a constant table
	402: message.ReasonInternal, 403: message.ReasonInternal, 405: message.ReasonInternal,
	406: message.ReasonExpired, 408: message.ReasonInternal, 410: message.ReasonInternal,
	411: message.ReasonInternal, 412: message.ReasonAccount, 413: message.ReasonAccount,
	414: message.ReasonMedia,
}

// batchStates says what a status of a delivery report proves. `Unknown` is
// final, but means only that the carrier gives no receipts.
var batchStates = map[string]message.ReceiptState{ //nolint:gochecknoglobals // a constant table
	"queued": message.ReceiptSent, "dispatched": message.ReceiptSent, "unknown": message.ReceiptSent,
	"delivered": message.ReceiptDelivered,
	"aborted":   message.ReceiptUndelivered, "cancelled": message.ReceiptUndelivered, "canceled": message.ReceiptUndelivered,
	"rejected": message.ReceiptUndelivered, "deleted": message.ReceiptUndelivered, "failed": message.ReceiptUndelivered,
	"expired": message.ReceiptUndelivered,
}

// Codes that decide whatever the status says.
const (
	batchDelivered  = 0
	batchQueued     = 400
	batchDispatched = 401
	batchFirstFinal = 402
	batchLastFinal  = 418
)

type batchReport struct {
	Type      text          `json:"type"`
	BatchID   text          `json:"batch_id"`
	Ref       text          `json:"client_reference"`
	Recipient text          `json:"recipient"`
	Code      *text         `json:"code"`
	Status    text          `json:"status"`
	At        text          `json:"at"`
	Statuses  []batchStatus `json:"statuses"`
	From      text          `json:"from"`
	To        text          `json:"to"`
	Body      any           `json:"body"`
}

type batchStatus struct {
	Code       *text  `json:"code"`
	Status     text   `json:"status"`
	Count      int    `json:"count"`
	Recipients []text `json:"recipients"`
}

// parseBatches reads a delivery report in any of its styles, or an inbound
// message.
func parseBatches(body []byte) []Receipt {
	var b batchReport
	if err := json.Unmarshal(body, &b); err != nil {
		return nil
	}
	base := Receipt{Shape: ShapeBatches, Kind: KindReport, Ref: string(b.Ref), SinchID: string(b.BatchID), At: instant(b.At)}
	switch {
	case inboundTypes[string(b.Type)]:
		base.Kind, base.SinchID = KindInbound, ""
		said, _ := b.Body.(string)
		base.Inbound = Inbound{From: string(b.From), To: string(b.To), Text: said}
		return []Receipt{base}
	case b.Statuses != nil:
		return perStatus(base, b.Statuses)
	default:
		base.Recipient = string(b.Recipient)
		return []Receipt{judge(base, b.Code, b.Status)}
	}
}

// perStatus takes a summary or full report apart.
func perStatus(base Receipt, statuses []batchStatus) []Receipt {
	var all []Receipt
	for _, s := range statuses {
		one := judge(base, s.Code, s.Status)
		if len(s.Recipients) == 0 {
			all = append(all, one)
			continue
		}
		for _, recipient := range s.Recipients {
			one.Recipient = string(recipient)
			all = append(all, one)
		}
	}
	return all
}

// judge decides on the code first and on the status second.
func judge(r Receipt, code *text, status text) Receipt {
	r.State = batchStates[strings.ToLower(string(status))]
	r.SinchCode = string(status)
	n, numeric := -1, false
	if code != nil {
		value, err := strconv.Atoi(string(*code))
		n, numeric = value, err == nil
	}
	if numeric {
		r.SinchCode = strconv.Itoa(n)
		r.State = byCode(n, r.State)
	}
	if r.State == message.ReceiptUndelivered {
		r.Code, r.Detail = reasonOf(n, status), "reported as "+string(r.State)
	}
	return r
}

func byCode(code int, byStatus message.ReceiptState) message.ReceiptState {
	switch {
	case code == batchDelivered:
		return message.ReceiptDelivered
	case code == batchQueued, code == batchDispatched:
		return message.ReceiptSent
	case code >= batchFirstFinal && code <= batchLastFinal:
		return message.ReceiptUndelivered
	default:
		return byStatus
	}
}

func reasonOf(code int, status text) message.ReasonCode {
	if reason, ok := batchReasons[code]; ok {
		return reason
	}
	if code < batchFirstFinal && strings.EqualFold(string(status), "expired") {
		return message.ReasonExpired
	}
	return message.ReasonCarrier
}
