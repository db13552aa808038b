package sinch

import (
	"fmt"
	"time"
)

const (
	// LookBack is the time before the begin of a call at which the window of its lookup
	// starts. The reference is unique, so a wide window finds no other call, and it
	// includes the call even if the clocks of Sinch, Redis and the workers differ by
	// hours.
	LookBack = 24 * time.Hour
	// MaxSkew is the largest difference between Sinch's clock and this process's with
	// which a lookup can prove the absence of a call.
	MaxSkew = 30 * time.Second
)

// SkewError is returned by a lookup that did not find the call and cannot prove
// its absence, since Sinch's clock and this process's differ by more than
// MaxSkew.
type SkewError struct {
	Skew time.Duration // Sinch's clock minus this process's
}

// Error implements error.
func (e *SkewError) Error() string {
	return fmt.Sprintf("the clock of Sinch differs from ours by %s", e.Skew)
}

// CheckSkew returns a *SkewError for a skew beyond MaxSkew.
func CheckSkew(skew time.Duration) error {
	if skew.Abs() > MaxSkew {
		return &SkewError{Skew: skew}
	}
	return nil
}
