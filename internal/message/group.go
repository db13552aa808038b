package message

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// groupBytes is how much of the hash names a group: enough for no two to meet.
const groupBytes = 10

// GroupOf names the messages of a batch that differ, as far as Sinch sees, in
// nothing but the recipient: one call can carry them all. It gives nothing away
// of what they say.
func GroupOf(batch BatchID, c Content, from string) string {
	return groupName(string(batch), from, c.Subject, c.Text, strings.Join(c.Media, " "), c.FallbackText,
		string(c.Priority), stamp(c.SendAt), stamp(c.ExpiresAt))
}

// half names one of the two groups that a refused call is divided into.
func half(group string, n int) string { return groupName(group, strconv.Itoa(n)) }

func groupName(parts ...string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", parts))
	return crockford().EncodeToString(sum[:groupBytes])
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}

// callPrefix begins the name of a call for several messages, which tells it
// from an attempt's reference.
const callPrefix = "call_"

// NewCall names a call for several messages. It is what Sinch gets as client
// reference: printable ASCII, and short of the 64 that all its APIs take.
func NewCall() string { return callPrefix + strings.ToLower(rand.Text()) }

// IsCall reports whether a reference is that of a call for several messages.
func IsCall(ref string) bool { return strings.HasPrefix(ref, callPrefix) }

// Ref is what the call carries as client reference.
func (a Attempt) Ref(id ID) string {
	if a.Call != "" {
		return a.Call
	}
	return id.AttemptRef(a.N)
}

// Divide concludes an attempt whose request Sinch refused for several messages,
// which may be the fault of any of them: the message waits again without having
// used a try, in a group with its half of the others.
func (m *Message) Divide(n, part int, o Outcome, now time.Time) error {
	o.Kind = OutcomeNotBegun
	made := m.call(n) != nil
	err := m.ConcludeHalf(n, part, o, Retry{}, now)
	if made && m.Status.Waiting() {
		m.NextAt = time.Time{}
	}
	return err
}

// ConcludeHalf is Conclude for a request that was too large: a message that
// waits again does so in a group with its half of the others.
func (m *Message) ConcludeHalf(n, part int, o Outcome, retry Retry, now time.Time) error {
	if m.call(n) == nil {
		return nil
	}
	if err := m.Conclude(n, o, retry, now); err != nil {
		return err
	}
	if m.Status.Waiting() {
		m.Group = half(m.Group, part)
	}
	return nil
}

// LeaveGroup has a waiting message stand alone from now on.
func (m *Message) LeaveGroup() error {
	if !m.Status.Waiting() {
		return ErrNotWaiting
	}
	m.Group = ""
	return nil
}
