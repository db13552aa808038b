// Package receipt reads what Sinch posts to the webhooks: delivery receipts,
// template events and inbound messages of all its APIs, told apart by shape.
package receipt

import (
	"encoding/json"
	"errors"
	"time"

	"mmsdispatch/internal/message"
)

// ErrUnreadable says that a body is not a JSON object.
var ErrUnreadable = errors.New("unreadable receipt")

// Shape tells which API wrote a receipt.
type Shape string

// The shapes.
const (
	ShapeMMS          Shape = "mms"
	ShapeBatches      Shape = "batches"
	ShapeConversation Shape = "conversation"
	ShapeUnknown      Shape = "unknown"
)

// Kind tells what a receipt is about.
type Kind string

// The kinds.
const (
	KindReport   Kind = "report"   // the fate of a message
	KindTemplate Kind = "template" // the fate of saved media
	KindInbound  Kind = "inbound"  // a message from a phone
	KindOther    Kind = "other"    // nothing we know how to use
)

// Receipt is one report, taken out of what Sinch posted.
type Receipt struct {
	Shape     Shape
	Kind      Kind
	Ref       string // our attempt id, as it came back
	SinchID   string
	Recipient string
	State     message.ReceiptState
	SentAs    string // MMS, SMS or empty
	Code      message.ReasonCode
	SinchCode string
	Detail    string // our own words
	At        time.Time
	Inbound   Inbound // for KindInbound
}

// Inbound is a message from a phone.
type Inbound struct {
	From, To, Text string
}

// Parse reads a body. One body can hold several reports. Fields and codes that
// are not known are ignored; only what is not a JSON object is an error.
func Parse(body []byte) (Shape, []Receipt, error) {
	var probe struct {
		Origin  any             `json:"origin"`
		Code    any             `json:"code"`
		Type    any             `json:"type"`
		BatchID any             `json:"batch_id"`
		AppID   any             `json:"app_id"`
		Project any             `json:"project_id"`
		Report  json.RawMessage `json:"message_delivery_report"`
		Message json.RawMessage `json:"message"`
	}
	if err := json.Unmarshal(body, &probe); err != nil {
		return ShapeUnknown, nil, ErrUnreadable
	}
	kind, _ := probe.Type.(string)
	switch {
	case probe.Report != nil, probe.AppID != nil && (probe.Project != nil || probe.Message != nil):
		return ShapeConversation, nil, nil
	case probe.BatchID != nil, reportTypes[kind], inboundTypes[kind]:
		return ShapeBatches, parseBatches(body), nil
	case probe.Origin != nil, probe.Code != nil:
		return ShapeMMS, parseMMS(body), nil
	default:
		return ShapeUnknown, nil, nil
	}
}

// text is a JSON string or number: Sinch's codes and ids have been seen as both.
type text string

// UnmarshalJSON takes anything; what is neither string nor number is empty.
func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil {
		*t = text(s)
		return nil
	}
	var n json.Number
	if json.Unmarshal(data, &n) == nil {
		*t = text(n)
	}
	return nil
}

// instant reads Sinch's times: RFC 3339 with an offset and up to six decimals.
// A missing or odd one is the zero time.
func instant(t text) time.Time {
	at, err := time.Parse(time.RFC3339Nano, string(t))
	if err != nil {
		return time.Time{}
	}
	return at
}
