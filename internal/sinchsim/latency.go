package sinchsim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// maxLatency caps distributions without an upper bound.
const maxLatency = time.Minute

type latencyKind uint8

const (
	latencyConstant latencyKind = iota
	latencyUniform
	latencyNormal
	latencyExponential
)

// Latency is the delay of responses. Its text form is one of
//
//	150ms               always the same
//	50ms..200ms         uniform
//	normal:150ms,30ms   normal: mean, standard deviation
//	exp:150ms           exponential: mean
//
// The zero value is no delay.
type Latency struct { //nolint:recvcheck // a value that flags and JSON set in place
	kind latencyKind
	a, b time.Duration
}

// ParseLatency reads the text form of a Latency; empty is no latency.
func ParseLatency(text string) (Latency, error) {
	var l Latency
	err := l.UnmarshalText([]byte(text))
	return l, err
}

// UnmarshalText reads the text form.
func (l *Latency) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "" {
		*l = Latency{}
		return nil
	}
	if low, high, ok := strings.Cut(s, ".."); ok {
		return l.set(latencyUniform, low, high)
	}
	if rest, ok := strings.CutPrefix(s, "normal:"); ok {
		mean, spread, _ := strings.Cut(rest, ",")
		return l.set(latencyNormal, mean, spread)
	}
	if mean, ok := strings.CutPrefix(s, "exp:"); ok {
		return l.set(latencyExponential, mean, "0s")
	}
	return l.set(latencyConstant, s, "0s")
}

func (l *Latency) set(kind latencyKind, first, second string) error {
	a, err := parseDuration(first)
	if err != nil {
		return fmt.Errorf("latency: %w", err)
	}
	b, err := parseDuration(second)
	if err != nil {
		return fmt.Errorf("latency: %w", err)
	}
	if kind == latencyUniform && b < a {
		return fmt.Errorf("latency: %s..%s ends before it begins", a, b)
	}
	*l = Latency{kind: kind, a: a, b: b}
	return nil
}

// MarshalText writes the text form.
func (l Latency) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// String is the text form.
func (l Latency) String() string {
	switch l.kind {
	case latencyUniform:
		return l.a.String() + ".." + l.b.String()
	case latencyNormal:
		return "normal:" + l.a.String() + "," + l.b.String()
	case latencyExponential:
		return "exp:" + l.a.String()
	case latencyConstant:
	}
	return l.a.String()
}

func (l Latency) draw(r *rand.Rand) time.Duration {
	var d time.Duration
	switch l.kind {
	case latencyConstant:
		return l.a
	case latencyUniform:
		return l.a + time.Duration(r.Int64N(int64(l.b-l.a)+1))
	case latencyNormal:
		d = l.a + time.Duration(r.NormFloat64()*float64(l.b))
	case latencyExponential:
		d = time.Duration(r.ExpFloat64() * float64(l.a))
	}
	return min(max(d, 0), maxLatency)
}
