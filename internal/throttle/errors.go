package throttle

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Cause is the reason why a request must not begin now.
type Cause string

// The causes.
const (
	CauseSender      Cause = "pace of its sender" // it has reserved a token, and comes back when that is due
	CauseDaily       Cause = "daily limit of its sender"
	CauseBatch       Cause = "pace of its batch"     // it has no token yet
	CausePace        Cause = "pace"                  // no token came within MaxWait
	CauseAccount     Cause = "account paused"        // Sinch refuses the account, or another message is the probe
	CauseUnreachable Cause = "Sinch does not answer" // the breaker of this process is open
	CauseUnavailable Cause = "limiter unavailable"   // Redis did not answer, and without it the pace and the pause are unknown
)

// DeniedError is the reason why a request must not begin now, and the time to ask
// again. It does not count as a try of the message.
type DeniedError struct {
	Cause   Cause
	RetryIn time.Duration
	// ProbeAt is when the next message may probe, by Redis' clock for
	// CauseAccount; zero when a probe is under way or there is none.
	ProbeAt time.Time
	// SinchCode is Sinch's code of the response that paused the account.
	SinchCode string
	// Until is the end of the day, for CauseDaily.
	Until time.Time
	// Err is the error behind CauseUnavailable.
	Err error
}

// Error implements error. Task errors in the queue pages show this text.
func (e *DeniedError) Error() string {
	text := string(e.Cause)
	if e.SinchCode != "" {
		text += " (" + e.SinchCode + ")"
	}
	switch {
	case !e.ProbeAt.IsZero():
		text += ", next probe at " + e.ProbeAt.UTC().Format(time.RFC3339)
	case e.Cause == CauseAccount, e.Cause == CauseUnreachable:
		text += ", a probe is under way"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the error of Redis or the network.
func (e *DeniedError) Unwrap() error { return e.Err }

// unavailable distinguishes a caller that gave up from a Redis that did not
// respond.
func unavailable(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("limiter: %w", ctx.Err())
	}
	return &DeniedError{Cause: CauseUnavailable, RetryIn: retryUnavailable, Err: err}
}

// sleep returns after d, or with ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("limiter: %w", ctx.Err())
	}
}
