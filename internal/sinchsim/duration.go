package sinchsim

import (
	"fmt"
	"time"
)

// Duration is a time.Duration that is written as text ("200ms") in JSON.
type Duration time.Duration

// MarshalText writes d in Go's form.
func (d Duration) MarshalText() ([]byte, error) {
	return []byte(time.Duration(d).String()), nil
}

// UnmarshalText reads a duration in Go's form; a negative one is refused.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := parseDuration(string(text))
	if err != nil {
		return err
	}
	*d = Duration(v)
	return nil
}

func parseDuration(text string) (time.Duration, error) {
	v, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("duration: %w", err)
	}
	if v < 0 {
		return 0, fmt.Errorf("duration %q is negative", text)
	}
	return v, nil
}
