package message

import (
	"fmt"
	"slices"
)

// Status is the public state of a message.
type Status string

// The states.
const (
	StatusScheduled   Status = "scheduled"   // waits for its sendAt, or for the end of quiet hours
	StatusQueued      Status = "queued"      // waits for an attempt
	StatusSending     Status = "sending"     // an attempt is in progress
	StatusSent        Status = "sent"        // Sinch accepted it
	StatusDelivered   Status = "delivered"   // a receipt reports delivery
	StatusUndelivered Status = "undelivered" // a receipt reports that it will not be delivered
	StatusFailed      Status = "failed"      // Sinch never accepted it
	StatusExpired     Status = "expired"     // its expiresAt passed before an attempt
	StatusCanceled    Status = "canceled"    // the caller canceled it before an attempt
	StatusUnknown     Status = "unknown"     // Sinch may or may not have accepted an attempt
)

// Trigger is the cause of a transition.
type Trigger string

// The triggers.
const (
	OnDue      Trigger = "due"      // sendAt or the end of quiet hours has come
	OnBegin    Trigger = "begin"    // a worker begins an attempt
	OnOutcome  Trigger = "outcome"  // the outcome of an attempt is known, from its response or from a lookup
	OnReceipt  Trigger = "receipt"  // Sinch reports on an attempt
	OnRefuse   Trigger = "refuse"   // a check of this service ends it before an attempt
	OnExpire   Trigger = "expire"   // expiresAt has passed
	OnCancel   Trigger = "cancel"   // the caller cancels it
	OnReplay   Trigger = "replay"   // the caller or an operator queues it again
	OnRollback Trigger = "rollback" // Redis lost the record of an attempt
	OnHold     Trigger = "hold"     // it is quiet hours where the recipient is
)

// Edge is one row of the transition table.
type Edge struct {
	From Status
	To   Status
	On   []Trigger
}

// edges is the transition table, the one place that defines the transitions. The
// machine refuses every other one, and a test checks docs/state-machine.md
// against it.
var edges = []Edge{ //nolint:gochecknoglobals // a constant table
	{StatusScheduled, StatusQueued, []Trigger{OnDue}},
	{StatusScheduled, StatusExpired, []Trigger{OnExpire}},
	{StatusScheduled, StatusCanceled, []Trigger{OnCancel}},
	{StatusScheduled, StatusUnknown, []Trigger{OnRollback, OnExpire, OnCancel}},
	{StatusScheduled, StatusSent, []Trigger{OnReceipt, OnOutcome}},
	{StatusScheduled, StatusDelivered, []Trigger{OnReceipt}},
	{StatusScheduled, StatusUndelivered, []Trigger{OnReceipt}},

	{StatusQueued, StatusScheduled, []Trigger{OnHold}},
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

// Statuses lists every state in the order of a message's life.
func Statuses() []Status {
	return []Status{
		StatusScheduled, StatusQueued, StatusSending, StatusSent, StatusDelivered,
		StatusUndelivered, StatusFailed, StatusExpired, StatusCanceled, StatusUnknown,
	}
}

// Final reports whether only a replay or a receipt can change s.
func (s Status) Final() bool {
	switch s {
	case StatusDelivered, StatusUndelivered, StatusFailed, StatusExpired, StatusCanceled:
		return true
	default:
		return false
	}
}

// Waiting reports whether a message in s needs a task.
func (s Status) Waiting() bool { return s == StatusScheduled || s == StatusQueued }

// Expires reports whether the record of a message in s gets a TTL. An open or
// unknown message keeps its record.
func (s Status) Expires() bool { return s.Final() || s == StatusSent }

// Expires is Status.Expires for a message of the scope: test messages of unknown
// outcome expire, too, since no operator resolves them.
func (s Scope) Expires(status Status) bool {
	return status.Expires() || s.Test && status == StatusUnknown
}

// TransitionError is returned for a transition that the table does not have.
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
