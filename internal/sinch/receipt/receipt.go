// Package receipt reads Sinch's webhook requests: delivery receipts,
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

// ErrUnreadable means that the body is not a JSON object.
var ErrUnreadable = errors.New("unreadable receipt")

// Shape identifies the API that wrote a receipt.
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

// WrittenBy reports whether an API writes receipts of the shape. The built-in
// simulator delivers its own within the process and never to a webhook.
func (s Shape) WrittenBy(api sinch.API) bool { return string(s) == string(api) }

// Kind is the subject of a receipt.
type Kind string

// The kinds.
const (
	KindReport   Kind = "report"   // the status of a message
	KindTemplate Kind = "template" // the status of saved media
	KindInbound  Kind = "inbound"  // a message from a phone
	KindOther    Kind = "other"    // ignored
)

// Receipt is one report of a webhook request.
type Receipt struct {
	Shape     Shape
	Kind      Kind
	Ref       string               // client reference: the attempt id
	SinchID   string               // of the call: tracking id, batch id
	Recipient string               // in Sinch's format, mostly digits only; may be empty
	State     message.ReceiptState // the state that it proves; none for unknown codes
	SentAs    string               // MMS, SMS or empty
	Operator  string               // the carrier's id of the recipient; empty: not named
	Code      message.ReasonCode   // reason of a failure
	SinchCode string               // Sinch's code, or its status if there is no code
	Unproven  Unproven             // the reason why State is none although Sinch reports a state; empty otherwise
	Detail    string               // for operators; not Sinch's text
	At        time.Time            // time of the event; zero if Sinch omits it
	Template  Template             // for KindTemplate
	Inbound   Inbound              // for KindInbound
}

// Unproven is the reason why a report proves no state of its message.
type Unproven string

// The reasons.
const (
	UnprovenStatus        Unproven = "unknown_status" // a status that is in no table, or none
	UnprovenCode          Unproven = "unknown_code"   // a code that is in no table, or none where Sinch documents one
	UnprovenContradiction Unproven = "contradiction"  // status and code prove different states
)

// Details shared by several codes.
const (
	detailDelivered = "delivered"
	detailDevice    = "device discovery"
)

// Template is an event of saved media.
type Template struct {
	ID    string // mms-id
	Ready bool   // false: unusable, it has to be saved again
}

// fields are the undecoded members of a receipt.
type fields map[string]json.RawMessage

func (f fields) has(name string) bool {
	value, ok := f[name]
	return ok && string(value) != "null"
}

// text returns a member that is a string or a number, or nothing.
func (f fields) text(name string) sinch.Text {
	var t sinch.Text
	if json.Unmarshal(f[name], &t) != nil {
		return ""
	}
	return t
}

// into decodes a member into v; a member of another type than expected leaves v
// unchanged.
func (f fields) into(name string, v any) {
	_ = json.Unmarshal(f[name], v)
}

// reader reads the receipts of one API.
type reader struct {
	shape Shape
	fits  func(fields) bool
	read  func(fields) []Receipt
}

// readers are tried in this order, the most specific shape first.
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

// instant parses Sinch's times: RFC 3339 with an offset, UTC without one, and up to
// six decimals. A missing or invalid one is the zero time.
func instant(t sinch.Text) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, string(t)); err == nil {
			return at
		}
	}
	return time.Time{}
}

// form returns the form in which a message was sent.
func form(t sinch.Text) string {
	switch as := strings.ToUpper(string(t)); as {
	case "MMS", "SMS":
		return as
	default:
		return ""
	}
}

// operator returns the id of a carrier: its mobile country code and network code,
// in digits. Anything else is nothing, since lists and reports group by it.
func operator(t sinch.Text) string {
	const shortest, longest = 4, 6
	if len(t) < shortest || len(t) > longest || strings.Trim(string(t), "0123456789") != "" {
		return ""
	}
	return string(t)
}
