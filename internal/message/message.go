// Package message is the domain: a message, its states, and the transitions
// between them. It is pure: the caller passes the time, and the ledger stores
// the result.
package message

import (
	"slices"
	"time"
)

// Message is one MMS with its state and its history.
type Message struct {
	Counters

	ID      ID
	Scope   Scope
	Content Content
	From    string // the sender, as resolved when the message was accepted
	BatchID BatchID
	Group   string // of the messages that one multi-recipient send can carry; empty: none
	Shard   int    // of its lane, where the lane has shards
	Shared  bool   // other messages of its batch have the same text and media
	Pace    int64  // of its batch, as Batch.Pace
	Trace   Trace  // the parent of the spans of its next change

	Status    Status
	Reason    *Reason
	Calls     []Attempt // the attempts that Sinch has accepted or may have accepted, and the current one
	SinchID   string
	SentAs    string
	Operator  string    // the carrier's id of the recipient, as a receipt named it; empty: none did
	NextAt    time.Time // no attempt begins before it; zero: at once
	ExpiresAt time.Time // no attempt begins after it; zero: never expires
	HeldUntil time.Time // end of the quiet hours for which the message is scheduled; zero: for none

	CreatedAt time.Time
	UpdatedAt time.Time
	SentAt    time.Time
	FinalAt   time.Time
	// RedactedAt is when the content was dropped; zero: it was not.
	RedactedAt time.Time
	Timeline   []Entry
}

// Counters count the attempts, retries and tasks of a message. Each of them
// only grows, but for those that a replay or a later attempt resets.
type Counters struct {
	Attempts  int // attempts begun
	Tries     int // attempts since the last replay that were not sent and count against Retry.Max
	Delays    int // attempts that count against no limit, since the last one in Tries
	Deferrals int // checks before an attempt that could not be made, since the last attempt
	Task      int // generation of the task: a task of an older generation is void
	Replays   int // replays
	Replayed  int // Attempts at the last replay
	Dropped   int // entries removed from the middle of the timeline
}

// replay starts the count of tries again.
func (c *Counters) replay() {
	c.Tries, c.Delays, c.Deferrals = 0, 0, 0
	c.Replayed = c.Attempts
	c.Replays++
}

// AttemptState is the state of an attempt.
type AttemptState string

// The attempt states. A message keeps no attempt that was not sent.
const (
	AttemptCalling  AttemptState = "calling"  // in progress
	AttemptUnknown  AttemptState = "unknown"  // Sinch may or may not have accepted it
	AttemptAccepted AttemptState = "accepted" // Sinch has accepted it
)

// Attempt is one HTTP request to Sinch for a message. The ledger records it
// before the request is written.
type Attempt struct {
	N        int
	State    AttemptState
	Worker   string
	API      string
	BaseURL  string
	Account  string
	Call     string // reference of a multi-recipient send; empty: the request carries the attempt's own
	Begun    time.Time
	Deadline time.Time // no byte of it is written after this
	SinchID  string
	Lookups  int       // lookups that found nothing
	LookupAt time.Time // the first of them
}

// accept records that Sinch has accepted the attempt. It drops what served to find
// that out: where and since when to look it up, and who watches over it. The
// timeline says when it began.
func (a *Attempt) accept() {
	a.State = AttemptAccepted
	a.Worker, a.BaseURL, a.Account = "", "", ""
	a.Begun, a.Deadline = time.Time{}, time.Time{}
	a.Lookups, a.LookupAt = 0, time.Time{}
}

// Entry is one line of a message's timeline.
type Entry struct {
	At      time.Time
	Status  Status
	Detail  string
	Attempt int // zero: the entry is about no attempt
	// Reason is the message's reason after the entry.
	Reason *Reason
	// Phases are those of the attempt whose outcome the entry records; nil: not known.
	Phases *Phases
}

// The timeline keeps its first and its last entries.
const (
	timelineHead = 10
	timelineTail = 40
	// callsKept bounds the unresolved attempts that forced replays and the
	// resend policy can add.
	callsKept = 32
)

// New creates a message that is accepted at now.
func New(id ID, scope Scope, content Content, from string, now time.Time) *Message {
	m := &Message{
		ID: id, Scope: scope, Content: content, From: from,
		Status: StatusQueued, CreatedAt: now, ExpiresAt: content.ExpiresAt,
	}
	m.NextAt = content.SendAt // due by Redis' clock, which can differ from that of now
	if content.SendAt.After(now) {
		m.Status = StatusScheduled
	}
	m.note(now, "accepted", 0)
	return m
}

// Clone returns a copy that can be changed independently. The copy shares the
// values that are only ever replaced as a whole.
func (m *Message) Clone() *Message {
	c := *m
	c.Calls = withRoom(m.Calls)
	c.Timeline = withRoom(m.Timeline)
	return &c
}

// withRoom copies a slice with capacity for the element that most steps append.
func withRoom[T any](all []T) []T { return append(make([]T, 0, len(all)+1), all...) }

// Current is the attempt in progress, or nil.
func (m *Message) Current() *Attempt {
	if m.Status != StatusSending {
		return nil
	}
	return m.call(m.Attempts)
}

// Unresolved lists the attempts whose outcome is unknown.
func (m *Message) Unresolved() []Attempt {
	return slices.DeleteFunc(slices.Clone(m.Calls), func(a Attempt) bool { return a.State != AttemptUnknown })
}

// call returns attempt n, or nil when the message does not keep it.
func (m *Message) call(n int) *Attempt {
	for i := range m.Calls {
		if m.Calls[i].N == n {
			return &m.Calls[i]
		}
	}
	return nil
}

// dropCall removes attempt n, which was not sent.
func (m *Message) dropCall(n int) {
	m.Calls = slices.DeleteFunc(m.Calls, func(a Attempt) bool { return a.N == n })
}

// keepCall adds an attempt and removes the oldest ones beyond the bound.
func (m *Message) keepCall(a Attempt) {
	m.Calls = append(m.Calls, a)
	if len(m.Calls) > callsKept {
		m.Calls = slices.Delete(m.Calls, 0, len(m.Calls)-callsKept)
	}
}

// unresolved reports whether the outcome of an attempt is unknown.
func (m *Message) unresolved() bool {
	return slices.ContainsFunc(m.Calls, func(a Attempt) bool { return a.State == AttemptUnknown })
}

// note adds an entry to the timeline.
func (m *Message) note(now time.Time, detail string, attempt int) {
	m.UpdatedAt = now
	m.Timeline = append(m.Timeline, Entry{At: now, Status: m.Status, Detail: detail, Attempt: attempt, Reason: m.Reason})
	if len(m.Timeline) > timelineHead+timelineTail {
		m.Timeline = slices.Delete(m.Timeline, timelineHead, timelineHead+1)
		m.Dropped++
	}
}

// isDuplicate reports whether the timeline has the entry already.
func (m *Message) isDuplicate(detail string, attempt int) bool {
	return slices.ContainsFunc(m.Timeline, func(e Entry) bool { return e.Detail == detail && e.Attempt == attempt })
}

// move changes the state along the transition table and adds an entry.
func (m *Message) move(now time.Time, to Status, on Trigger, detail string, attempt int) error {
	if !Allowed(m.Status, to, on) {
		return &TransitionError{From: m.Status, To: to, On: on}
	}
	m.Status = to
	if to != StatusScheduled {
		m.HeldUntil = time.Time{}
	}
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
