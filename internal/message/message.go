// Package message is the domain: what a message is, which states it can be in
// and what moves it from one to the next. It is pure: no clock, no network, no
// storage. The ledger keeps what this package decides.
package message

import (
	"slices"
	"time"
)

// Message is one MMS and all that is known about it.
type Message struct {
	ID      ID
	Scope   Scope
	Content Content
	From    string // the number it is sent from, as resolved when it was accepted
	BatchID BatchID
	Group   string // of the messages that may share a call with it; empty: none
	Shard   int    // of its lane, where the lane has shards
	Shared  bool   // other messages of its batch have the same text and media

	Status    Status
	Reason    *Reason
	Attempts  int       // calls to Sinch, ever
	Tries     int       // calls surely not sent that count against the retry limit, since the last replay
	Delays    int       // calls in a row that used no try, since the last one that did
	PutOffs   int       // checks before a call that could not be made, in a row
	Calls     []Attempt // the calls that are, or may have been, accepted, and the one under way
	SinchID   string
	SentAs    string
	Task      int       // how often a task was made anew; a task of an older number is void
	Replayed  int       // Attempts at the time of the last replay
	Replays   int       // how often it was replayed
	NextAt    time.Time // not before; zero: at once
	ExpiresAt time.Time // never called after it; zero: never expires

	CreatedAt time.Time
	UpdatedAt time.Time
	SentAt    time.Time
	FinalAt   time.Time
	Timeline  []Entry
}

// AttemptState is what is known about a call.
type AttemptState string

// The attempt states. A call that was surely not sent is not kept.
const (
	AttemptCalling  AttemptState = "calling"  // under way
	AttemptUnknown  AttemptState = "unknown"  // may or may not have been accepted
	AttemptAccepted AttemptState = "accepted" // Sinch has it
)

// Attempt is one call to Sinch, written down before it leaves.
type Attempt struct {
	N        int
	State    AttemptState
	Worker   string
	API      string
	BaseURL  string
	Account  string
	Call     string // what a call for several messages carries instead of the attempt's own reference
	Begun    time.Time
	Deadline time.Time // no byte of it leaves after this
	SinchID  string
	Looks    int       // look-ups that found nothing
	LookedAt time.Time // the first of them
}

// Entry is one line of a message's history.
type Entry struct {
	At      time.Time
	Status  Status
	Detail  string
	Attempt int // zero: about no attempt
}

// The timeline keeps how it began and how it ended.
const (
	timelineHead = 10
	timelineTail = 40
	// callsKept bounds the unresolved calls that forced replays and the
	// resend policy can pile up.
	callsKept = 32
)

// New makes a message that was just accepted.
func New(id ID, scope Scope, content Content, from string, now time.Time) *Message {
	m := &Message{
		ID: id, Scope: scope, Content: content, From: from,
		Status: StatusQueued, CreatedAt: now, ExpiresAt: content.ExpiresAt,
	}
	if content.SendAt.After(now) {
		m.Status = StatusScheduled
		m.NextAt = content.SendAt
	}
	m.note(now, "accepted", 0)
	return m
}

// Clone is a copy of which each change leaves the message as it is. What is
// only ever replaced as a whole they have in common.
func (m *Message) Clone() *Message {
	c := *m
	c.Calls = withRoom(m.Calls)
	c.Timeline = withRoom(m.Timeline)
	return &c
}

// withRoom copies what a step will most likely append one to.
func withRoom[T any](all []T) []T { return append(make([]T, 0, len(all)+1), all...) }

// Current is the call under way, or nil.
func (m *Message) Current() *Attempt {
	if m.Status != StatusSending {
		return nil
	}
	return m.call(m.Attempts)
}

// Unresolved lists the calls of which nobody knows whether Sinch has them.
func (m *Message) Unresolved() []Attempt {
	return slices.DeleteFunc(slices.Clone(m.Calls), func(a Attempt) bool { return a.State != AttemptUnknown })
}

// call returns the kept call n, or nil.
func (m *Message) call(n int) *Attempt {
	for i := range m.Calls {
		if m.Calls[i].N == n {
			return &m.Calls[i]
		}
	}
	return nil
}

// forget drops call n, which was surely not sent.
func (m *Message) forget(n int) {
	m.Calls = slices.DeleteFunc(m.Calls, func(a Attempt) bool { return a.N == n })
}

// remember adds a call and lets go of the oldest ones beyond the bound.
func (m *Message) remember(a Attempt) {
	m.Calls = append(m.Calls, a)
	if len(m.Calls) > callsKept {
		m.Calls = slices.Delete(m.Calls, 0, len(m.Calls)-callsKept)
	}
}

// unresolved reports whether some call may have been accepted unnoticed.
func (m *Message) unresolved() bool {
	return slices.ContainsFunc(m.Calls, func(a Attempt) bool { return a.State == AttemptUnknown })
}

// note adds a line to the timeline, keeping the first and the last ones.
func (m *Message) note(now time.Time, detail string, attempt int) {
	m.UpdatedAt = now
	m.Timeline = append(m.Timeline, Entry{At: now, Status: m.Status, Detail: detail, Attempt: attempt})
	if len(m.Timeline) > timelineHead+timelineTail {
		m.Timeline = slices.Delete(m.Timeline, timelineHead, timelineHead+1)
	}
}

// noted reports whether the timeline has the line already.
func (m *Message) noted(detail string, attempt int) bool {
	return slices.ContainsFunc(m.Timeline, func(e Entry) bool { return e.Detail == detail && e.Attempt == attempt })
}

// move changes the state along the table and writes it down.
func (m *Message) move(now time.Time, to Status, on Trigger, detail string, attempt int) error {
	if !Allowed(m.Status, to, on) {
		return &TransitionError{From: m.Status, To: to, On: on}
	}
	m.Status = to
	m.FinalAt = time.Time{}
	if to.Final() {
		m.FinalAt = now
	}
	if to == StatusSent && m.SentAt.IsZero() {
		m.SentAt = now
	}
	m.note(now, detail, attempt)
	return nil
}
