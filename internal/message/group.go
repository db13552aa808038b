package message

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// groupBytes is the length of a group's hash: 80 bits make a collision within a
// batch practically impossible.
const groupBytes = 10

// GroupOf names the group of a message: the messages of a batch that differ for
// Sinch in the recipient alone, so that one multi-recipient send can carry them.
// The name does not reveal their content.
func GroupOf(batch BatchID, c Content, from string) string {
	return groupName(string(batch), from, c.Subject, c.Text, strings.Join(c.Media, " "), c.FallbackText,
		string(c.Priority), stamp(c.SendAt), stamp(c.ExpiresAt))
}

// half names one of the two groups into which a refused send is divided.
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

// callPrefix begins the reference of a multi-recipient send and distinguishes it
// from an attempt's reference.
const callPrefix = "call_"

// NewCall creates the reference of a multi-recipient send, its client reference at
// Sinch: printable ASCII, and shorter than the 64 characters that all its APIs
// accept.
func NewCall() string { return callPrefix + strings.ToLower(rand.Text()) }

// IsCall reports whether a reference is that of a multi-recipient send.
func IsCall(ref string) bool { return strings.HasPrefix(ref, callPrefix) }

// Ref is the client reference of the attempt's request.
func (a *Attempt) Ref(id ID) string {
	if a.Call != "" {
		return a.Call
	}
	return id.AttemptRef(a.N)
}

// Divide concludes an attempt whose multi-recipient send Sinch refused, possibly
// because of another message: the message waits again, without a try counted, in
// the group of part 0 or 1.
func (m *Message) Divide(n, part int, o Outcome, now time.Time) error {
	o.Kind = OutcomeNotBegun
	exists := m.call(n) != nil
	err := m.ConcludeHalf(n, part, o, Retry{}, now)
	if exists && m.Status.Waiting() {
		m.NextAt = time.Time{}
	}
	return err
}

// ConcludeHalf is Conclude for a request that was too large: a message that waits
// again does so in the group of part 0 or 1.
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

// Ungroup removes a waiting message from its group: its next attempt is a request
// of its own.
func (m *Message) Ungroup() error {
	if !m.Status.Waiting() {
		return ErrNotWaiting
	}
	m.Group = ""
	return nil
}
