package cli

import (
	"fmt"
	"slices"
	"time"
)

// quantiles describe durations, in seconds.
type quantiles struct {
	P50 float64 `json:"p50Seconds"`
	P95 float64 `json:"p95Seconds"`
	P99 float64 `json:"p99Seconds"`
	Max float64 `json:"maxSeconds"`
}

// quantilesOf sorts durations.
func quantilesOf(all []time.Duration) quantiles {
	if len(all) == 0 {
		return quantiles{}
	}
	slices.Sort(all)
	at := func(share float64) float64 { return all[min(len(all)-1, int(share*float64(len(all))))].Seconds() }
	return quantiles{P50: at(.50), P95: at(.95), P99: at(.99), Max: at(1)} //nolint:mnd // as named
}

// String implements fmt.Stringer.
func (q quantiles) String() string {
	of := func(seconds float64) time.Duration {
		return time.Duration(seconds * float64(time.Second)).Round(time.Microsecond)
	}
	return fmt.Sprintf("p50 %s  p95 %s  p99 %s  longest %s", of(q.P50), of(q.P95), of(q.P99), of(q.Max))
}
