// Package throttle decides when a call to Sinch may begin, together with every
// other worker process, through Redis, and by what its own calls meet.
//
//   - [Pacer] is the pace: so many calls a second over all processes, the high
//     lane first, slower for a while when Sinch says that it is too fast.
//   - [Gate] is the pause: after an answer that is about the account, not about
//     the message, nobody calls for a while; then one message at a time goes
//     ahead to find out whether the account works again.
//   - [Breaker] is for a Sinch that does not answer at all: after many calls in
//     a row nobody calls for a while, and then one goes ahead. Each process has
//     its own, since it may be its own network that is down.
//
// All hold a caller for at most MaxHold, so that a worker's slots are a brake
// and not a parking place, and then say when to come back. What is shared takes
// Redis' clock, never a worker's.
package throttle

import (
	"context"
	"fmt"
	"time"
)

const (
	// DefaultMaxHold is how long a caller is held before it is sent away.
	DefaultMaxHold = 2 * time.Second
	// DefaultPrefix begins every key; its hash tag keeps them in one slot.
	DefaultPrefix = "mms:{m}:"

	// askTimeout bounds a question to Redis that several callers wait for.
	askTimeout = 1500 * time.Millisecond
	// tellTimeout bounds what a call waits for after its outcome is known.
	tellTimeout = 2 * time.Second
)

// WaitError says that no token came within MaxHold: hand the message back and
// try again in RetryIn. It costs the message no try.
type WaitError struct{ RetryIn time.Duration }

func (e *WaitError) Error() string {
	return fmt.Sprintf("the pace leaves no room, retry in %s", e.RetryIn)
}

// ClosedError says that the account is paused, that Sinch does not answer, or
// that another message is the probe: hand the message back and try again in
// RetryIn. It costs no try.
type ClosedError struct{ RetryIn time.Duration }

func (e *ClosedError) Error() string {
	return fmt.Sprintf("calls are paused, retry in %s", e.RetryIn)
}

// UnavailableError says that Redis did not answer. Without it nobody knows the
// pace or the pause, so the call must not begin; it costs the message no try.
type UnavailableError struct{ Err error }

func (e *UnavailableError) Error() string { return "throttle: redis unavailable: " + e.Err.Error() }

// Unwrap returns what Redis or the network said.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Throttle is the pace and the pause of one account together, asked in the
// order that wastes no token and lets no call begin in a pause.
type Throttle struct {
	Pacer *Pacer
	Gate  *Gate
}

// Begin returns a Ticket when the call of a message may begin now; the Gate is
// told what became of it. Otherwise it returns what Gate.Enter and Pacer.Wait
// return, and nothing needs to be reported.
func (t Throttle) Begin(ctx context.Context, lane Lane, message string) (Ticket, error) {
	ticket, err := t.Gate.Enter(ctx, message)
	if err != nil {
		return Ticket{}, err
	}
	if err := t.Pacer.Wait(ctx, lane); err != nil {
		// Even if the caller gave up: the probe's place must become free. When
		// that fails, it does so by its lease.
		_ = t.Gate.Nothing(context.WithoutCancel(ctx), ticket)
		return Ticket{}, err
	}
	// The account may have been paused while the pace held this message.
	if err := t.Gate.Confirm(ctx, ticket); err != nil {
		return Ticket{}, err
	}
	return ticket, nil
}
