package config

import (
	"encoding/json"
	"fmt"
	"io"
)

const redacted = "[redacted]"

// Secret is a value that must not be shown: every way of printing or encoding it
// gives [redacted].
//
// The value is behind a pointer because fmt cannot call methods on unexported
// fields: a Secret in a private field of another package prints as an address.
type Secret struct{ value *string }

// NewSecret returns a Secret of the value.
func NewSecret(value string) Secret { return Secret{value: &value} }

// Reveal returns the value.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether there is no value.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// Equal compares values. It is for tests and start-up checks: its time depends on
// the values, so credentials must not be compared with it.
func (s Secret) Equal(other Secret) bool { return s.Reveal() == other.Reveal() }

// UnmarshalText parses the variable.
func (s *Secret) UnmarshalText(text []byte) error {
	for _, c := range text {
		if c < ' ' || c == 0x7f {
			return invalidError("must not contain line breaks or other control characters")
		}
	}

	*s = NewSecret(string(text))
	return nil
}

// String gives [redacted].
func (s Secret) String() string { return redacted }

// GoString gives [redacted].
func (s Secret) GoString() string { return redacted }

// Format gives [redacted] for every verb.
func (s Secret) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, redacted) }

// MarshalText gives [redacted].
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON gives "[redacted]".
func (s Secret) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(redacted)
	if err != nil {
		return nil, fmt.Errorf("encode secret: %w", err)
	}
	return text, nil
}
