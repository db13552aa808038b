package sinch

import (
	"fmt"
	"time"
)

const (
	// LookBack is how far before the begin of a call its look-up starts. The
	// reference is unique, so that a wide window shows nothing wrong, and it holds
	// the call however far the clocks of Sinch, Redis and the workers differ within
	// a day.
	LookBack = 24 * time.Hour
	// MaxSkew is how far Sinch's clock may differ from this process's where a
	// look-up is to prove that there was no call.
	MaxSkew = 30 * time.Second
)

// SkewError is returned by a look-up that did not find the call and cannot prove
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
