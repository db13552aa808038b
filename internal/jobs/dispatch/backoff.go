package dispatch

import (
	"math/rand/v2"
	"time"

	"mmsdispatch/internal/message"
)

// Backoff is exponential with full jitter: before retry n it waits a random
// time between zero and Base·2ⁿ⁻¹, at most Cap.
type Backoff struct {
	Max  int           // retries after the first try
	Base time.Duration // ceiling of the first pause
	Cap  time.Duration // ceiling of every pause
}

// Retry is the retry policy for package message.
func (b Backoff) Retry() message.Retry {
	return message.Retry{Max: b.Max, Delay: func(tries int) time.Duration { return jitter(b.ceiling(tries)) }}
}

// ceiling is the longest pause before retry n, counted from 1.
func (b Backoff) ceiling(n int) time.Duration {
	d := b.Base
	for range n - 1 {
		if d >= b.Cap/2 {
			return b.Cap
		}
		d *= 2
	}
	return min(d, b.Cap)
}

func jitter(ceiling time.Duration) time.Duration {
	if ceiling <= 0 {
		return 0
	}
	return rand.N(ceiling) + 1 //nolint:gosec // spreads load, guards nothing
}
