package message

import (
	"fmt"
	"slices"
)

// Status is the public state of a message.
type Status string

// The states.
const (
	StatusScheduled   Status = "scheduled"   // waits for its sendAt
	StatusQueued      Status = "queued"      // waits for a worker
	StatusSending     Status = "sending"     // a call to Sinch is under way
	StatusSent        Status = "sent"        // Sinch accepted it
	StatusDelivered   Status = "delivered"   // a receipt says that it arrived
	StatusUndelivered Status = "undelivered" // a receipt says that it did not arrive
	StatusFailed      Status = "failed"      // Sinch never accepted it
	StatusExpired     Status = "expired"     // its expiresAt passed before a call
	StatusCanceled    Status = "canceled"    // the caller took it back before a call
	StatusUnknown     Status = "unknown"     // a call may or may not have been accepted
)

// Trigger is what makes a message change its state.
type Trigger string

// The triggers.
const (
	OnDue      Trigger = "due"      // sendAt has come
	OnBegin    Trigger = "begin"    // a worker begins an attempt
	OnOutcome  Trigger = "outcome"  // the outcome of an attempt is known, from the call or from a look-up
	OnReceipt  Trigger = "receipt"  // Sinch reports on an attempt
	OnRefuse   Trigger = "refuse"   // our own check ends it before a call
	OnExpire   Trigger = "expire"   // expiresAt has passed
	OnCancel   Trigger = "cancel"   // the caller takes it back
	OnReplay   Trigger = "replay"   // the caller or an operator starts it anew
	OnRollback Trigger = "rollback" // Redis lost the record of an attempt
)

// Edge is one row of the transition table.
type Edge struct {
	From Status
	To   Status
	On   []Trigger
}

// edges is the transition table: the only place that knows which state may
// follow which, and why. The machine refuses whatever is not in it, and the
// documentation is checked against it. It is never written to.
var edges = []Edge{ //nolint:gochecknoglobals // a constant table
	{StatusScheduled, StatusQueued, []Trigger{OnDue}},
	{StatusScheduled, StatusExpired, []Trigger{OnExpire}},
	{StatusScheduled, StatusCanceled, []Trigger{OnCancel}},
	{StatusScheduled, StatusUnknown, []Trigger{OnRollback}},

	{StatusQueued, StatusSending, []Trigger{OnBegin}},
	{StatusQueued, StatusSent, []Trigger{OnReceipt, OnOutcome}},
	{StatusQueued, StatusDelivered, []Trigger{OnReceipt}},
	{StatusQueued, StatusUndelivered, []Trigger{OnReceipt}},
	{StatusQueued, StatusFailed, []Trigger{OnRefuse, OnOutcome}},
	{StatusQueued, StatusExpired, []Trigger{OnExpire}},
	{StatusQueued, StatusCanceled, []Trigger{OnCancel}},
	{StatusQueued, StatusUnknown, []Trigger{OnRollback, OnExpire, OnCancel, OnRefuse, OnOutcome}},

	{StatusSending, StatusQueued, []Trigger{OnOutcome}},
	{StatusSending, StatusSent, []Trigger{OnOutcome, OnReceipt}},
	{StatusSending, StatusFailed, []Trigger{OnOutcome}},
	{StatusSending, StatusUnknown, []Trigger{OnOutcome}},
	{StatusSending, StatusDelivered, []Trigger{OnReceipt}},
	{StatusSending, StatusUndelivered, []Trigger{OnReceipt}},

	{StatusSent, StatusDelivered, []Trigger{OnReceipt}},
	{StatusSent, StatusUndelivered, []Trigger{OnReceipt}},

	{StatusUnknown, StatusSent, []Trigger{OnOutcome, OnReceipt}},
	{StatusUnknown, StatusDelivered, []Trigger{OnReceipt}},
	{StatusUnknown, StatusUndelivered, []Trigger{OnReceipt}},
	{StatusUnknown, StatusQueued, []Trigger{OnOutcome, OnReplay}},

	{StatusUndelivered, StatusDelivered, []Trigger{OnReceipt}},
	{StatusUndelivered, StatusQueued, []Trigger{OnReplay}},
	{StatusFailed, StatusSent, []Trigger{OnReceipt}},
	{StatusFailed, StatusDelivered, []Trigger{OnReceipt}},
	{StatusFailed, StatusQueued, []Trigger{OnReplay}},
	{StatusFailed, StatusScheduled, []Trigger{OnReplay}},
	{StatusExpired, StatusSent, []Trigger{OnReceipt}},
	{StatusExpired, StatusDelivered, []Trigger{OnReceipt}},
	{StatusExpired, StatusQueued, []Trigger{OnReplay}},
	{StatusExpired, StatusScheduled, []Trigger{OnReplay}},
	{StatusCanceled, StatusSent, []Trigger{OnReceipt}},
	{StatusCanceled, StatusDelivered, []Trigger{OnReceipt}},
	{StatusCanceled, StatusQueued, []Trigger{OnReplay}},
	{StatusCanceled, StatusScheduled, []Trigger{OnReplay}},
}

// Edges returns the transition table.
func Edges() []Edge { return slices.Clone(edges) }

// Statuses lists every state in the order of a message's life.
func Statuses() []Status {
	return []Status{
		StatusScheduled, StatusQueued, StatusSending, StatusSent, StatusDelivered,
		StatusUndelivered, StatusFailed, StatusExpired, StatusCanceled, StatusUnknown,
	}
}

// Final reports whether nothing but a replay or a receipt can change s.
func (s Status) Final() bool {
	switch s {
	case StatusDelivered, StatusUndelivered, StatusFailed, StatusExpired, StatusCanceled:
		return true
	default:
		return false
	}
}

// Waiting reports whether a task has to exist that will take the message on.
func (s Status) Waiting() bool { return s == StatusScheduled || s == StatusQueued }

// Expires reports whether the record is forgotten some time after its last
// change. What is open or unknown stays until it is settled.
func (s Status) Expires() bool { return s.Final() || s == StatusSent }

// TransitionError says that the table has no such edge.
type TransitionError struct {
	From, To Status
	On       Trigger
}

// Error implements error.
func (e *TransitionError) Error() string {
	return fmt.Sprintf("no transition from %s to %s on %s", e.From, e.To, e.On)
}

// Allowed reports whether the table has the edge.
func Allowed(from, to Status, on Trigger) bool {
	return slices.ContainsFunc(edges, func(e Edge) bool {
		return e.From == from && e.To == to && slices.Contains(e.On, on)
	})
}
