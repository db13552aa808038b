// Package receipt reads what Sinch posts to the webhooks: delivery receipts,
// template events and inbound messages of all its APIs, distinguished by shape.
package receipt

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
)

// ErrUnreadable says that a body is not a JSON object.
var ErrUnreadable = errors.New("unreadable receipt")

// Shape tells which API wrote a receipt.
type Shape string

// The shapes. Parse returns all but ShapeSimulator, which marks the receipts
// that the built-in simulator delivers in process.
const (
	ShapeMMS          Shape = "mms"
	ShapeBatches      Shape = "batches"
	ShapeConversation Shape = "conversation"
	ShapeSimulator    Shape = "simulator"
	ShapeUnknown      Shape = "unknown"
)

// WrittenBy reports whether an API writes receipts of the shape. Those of the
// built-in simulator come within the process: none of a webhook is written by it.
func (s Shape) WrittenBy(api sinch.API) bool { return string(s) == string(api) }

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
	Ref       string               // our attempt id, as it came back
	SinchID   string               // of the call: tracking id, batch id
	Recipient string               // as Sinch wrote it: mostly digits only; may be empty
	State     message.ReceiptState // what it proves; none for codes we do not know
	SentAs    string               // MMS, SMS or empty
	Code      message.ReasonCode   // why it was not delivered
	SinchCode string               // Sinch's code, or its status where it gave no code
	Unproven  Unproven             // why State is none although Sinch reports a state; empty otherwise
	Detail    string               // our own words
	At        time.Time            // when it happened; zero when Sinch does not say
	Template  Template             // for KindTemplate
	Inbound   Inbound              // for KindInbound
}

// Unproven says why a report proves nothing about the state of its message.
type Unproven string

// The reasons.
const (
	UnprovenStatus        Unproven = "unknown_status" // a status that stands in no table, or none
	UnprovenCode          Unproven = "unknown_code"   // a code that stands in no table, or none where Sinch promises one
	UnprovenContradiction Unproven = "contradiction"  // status and code prove different states
)

// Details that more than one code comes with.
const (
	detailDelivered = "delivered"
	detailDevice    = "device discovery"
)

// Template is an event of saved media.
type Template struct {
	ID    string // mms-id
	Ready bool   // false: spoilt, it has to be saved again
}

// fields are the members of a receipt, not yet read.
type fields map[string]json.RawMessage

func (f fields) has(name string) bool {
	value, ok := f[name]
	return ok && string(value) != "null"
}

// text is a member that is a string or a number; empty when it is neither.
func (f fields) text(name string) sinch.Text {
	var t sinch.Text
	if json.Unmarshal(f[name], &t) != nil {
		return ""
	}
	return t
}

// into reads a member into v as far as it goes: a member of another type than
// expected leaves v as it is.
func (f fields) into(name string, v any) {
	_ = json.Unmarshal(f[name], v)
}

// reader reads the receipts of one API.
type reader struct {
	shape Shape
	fits  func(fields) bool
	read  func(fields) []Receipt
}

// readers are asked in this order, the one whose marks are the clearest first.
func readers() []reader {
	return []reader{
		{shape: ShapeConversation, fits: fitsConversationInbound, read: readConversationInbound},
		{shape: ShapeConversation, fits: fitsConversation, read: readConversation},
		{shape: ShapeBatches, fits: fitsBatches, read: readBatches},
		{shape: ShapeMMS, fits: fitsMMS, read: readMMS},
	}
}

// Parse reads a body. One body can hold several reports. Fields and codes that
// are not known are ignored; only what is not a JSON object is an error.
func Parse(body []byte) (Shape, []Receipt, error) {
	var f fields
	if err := json.Unmarshal(body, &f); err != nil || f == nil {
		return ShapeUnknown, nil, ErrUnreadable
	}
	for _, r := range readers() {
		if !r.fits(f) {
			continue
		}
		all := r.read(f)
		for i := range all {
			all[i].Shape = r.shape
		}
		return r.shape, all, nil
	}
	return ShapeUnknown, nil, nil
}

// instant reads Sinch's times: RFC 3339 with an offset, UTC where it is left
// out, and up to six decimals. A missing or odd one is the zero time.
func instant(t sinch.Text) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, string(t)); err == nil {
			return at
		}
	}
	return time.Time{}
}

// form reads how a message went out.
func form(t sinch.Text) string {
	switch as := strings.ToUpper(string(t)); as {
	case "MMS", "SMS":
		return as
	default:
		return ""
	}
}
