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

// ConcludeShared is Conclude for a call that other messages shared. Whoever
// made it did so for many tasks, so a message that waits again gets a new one.
func (m *Message) ConcludeShared(n int, o Outcome, retry Retry, now time.Time) error {
	if m.call(n) == nil {
		return nil // somebody has concluded it, perhaps this very change
	}
	task := m.Task
	if err := m.Conclude(n, o, retry, now); err != nil {
		return err
	}
	if m.Status.Waiting() && m.Task == task {
		m.Task++
	}
	return nil
}

// Divide takes in that Sinch refused a call for several messages, which may be
// the fault of any of them: the message waits again without having used a try,
// together with its half of the others.
func (m *Message) Divide(n, part int, o Outcome, now time.Time) error {
	o.Kind = OutcomeNotBegun
	made := m.call(n) != nil
	err := m.ConcludeHalf(n, part, o, Retry{}, now)
	if made && m.Status.Waiting() {
		m.NextAt = time.Time{}
	}
	return err
}

// ConcludeHalf is ConcludeShared for a call that was too large: what waits again
// does so together with its half of the others.
func (m *Message) ConcludeHalf(n, part int, o Outcome, retry Retry, now time.Time) error {
	if m.call(n) == nil {
		return nil
	}
	if err := m.ConcludeShared(n, o, retry, now); err != nil {
		return err
	}
	if m.Status.Waiting() {
		m.Group = half(m.Group, part)
	}
	return nil
}

// Alone takes a waiting message out of its group.
func (m *Message) Alone() error {
	if !m.Status.Waiting() {
		return ErrNotWaiting
	}
	m.Group = ""
	return nil
}
