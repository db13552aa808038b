package message

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Contradiction is something that the state, the attempts and the timeline of a
// message say against each other.
type Contradiction struct {
	Kind ContradictionKind `json:"kind"`
	Text string            `json:"text"` // without personal data
}

// ContradictionKind is the kind of a contradiction.
type ContradictionKind string

// The kinds.
const (
	ContradictionDoubled    ContradictionKind = "doubled"    // Sinch has accepted more than one attempt since the last replay
	ContradictionAccepted   ContradictionKind = "accepted"   // an attempt was accepted, and the state denies it
	ContradictionUnproven   ContradictionKind = "unproven"   // the state says that Sinch has it, and nothing proves it
	ContradictionUnresolved ContradictionKind = "unresolved" // the state and the unresolved attempts disagree
	ContradictionOverdue    ContradictionKind = "overdue"    // an attempt is in progress long after its deadline
	ContradictionTimeline   ContradictionKind = "timeline"   // the timeline lacks an attempt or ends with another state
)

// overdueAfter is how long after its deadline the recovery of an attempt may take:
// more than docs/promises.md says.
const overdueAfter = 10 * time.Minute

// receiptLine begins the entries of receipts; see Receipt.line.
const receiptLine = "receipt"

// Contradictions returns what does not add up in a message; empty: all does. A message
// can be read in the middle of nothing, since each change is one step.
func (m *Message) Contradictions(now time.Time) []Contradiction {
	var found []Contradiction
	add := func(kind ContradictionKind, format string, args ...any) {
		found = append(found, Contradiction{Kind: kind, Text: fmt.Sprintf(format, args...)})
	}
	m.checkAccepted(add)
	m.checkUnresolved(add, now)
	m.checkTimeline(add)
	return found
}

type addFunc func(kind ContradictionKind, format string, args ...any)

// checkAccepted compares the state with the attempts that Sinch has accepted.
func (m *Message) checkAccepted(add addFunc) {
	accepted, since := 0, 0
	for _, a := range m.Calls {
		if a.State == AttemptAccepted {
			accepted++
			if a.N > m.Replayed {
				since++
			}
		}
	}
	receipt := slices.ContainsFunc(m.Timeline, func(e Entry) bool { return strings.HasPrefix(e.Detail, receiptLine) })
	if since > 1 {
		add(ContradictionDoubled, "Sinch has accepted %d attempts", since)
	}
	switch {
	case m.Status.accepted():
		if accepted == 0 && !receipt {
			add(ContradictionUnproven, "is %s, and neither an answer nor a receipt says so", m.Status)
		}
	case m.Status == StatusSending: // an earlier attempt may be accepted meanwhile
	case since > 0:
		add(ContradictionAccepted, "is %s, and Sinch has accepted an attempt", m.Status)
	}
}

// checkUnresolved compares the state with the attempts in progress and those of
// unknown outcome.
func (m *Message) checkUnresolved(add addFunc, now time.Time) {
	for _, a := range m.Calls {
		if a.State == AttemptCalling && now.Sub(a.Deadline) > overdueAfter {
			add(ContradictionOverdue, "attempt %d is in progress, and its deadline was %s", a.N, a.Deadline.UTC().Format(time.RFC3339))
		}
		if a.N > m.Attempts {
			add(ContradictionTimeline, "keeps attempt %d of %d", a.N, m.Attempts)
		}
	}
	switch m.Status {
	case StatusSending:
		if current := m.Current(); current == nil {
			add(ContradictionUnresolved, "is sending without an attempt")
		}
	case StatusUnknown:
		if !m.unresolved() {
			add(ContradictionUnresolved, "is unknown without an attempt of unknown outcome")
		}
	case StatusFailed, StatusExpired, StatusCanceled:
		if m.unresolved() {
			add(ContradictionUnresolved, "is %s, and the outcome of an attempt is unknown", m.Status)
		}
	default:
	}
}

// checkTimeline compares state and attempts with the timeline.
func (m *Message) checkTimeline(add addFunc) {
	if len(m.Timeline) == 0 {
		add(ContradictionTimeline, "has no timeline")
		return
	}
	if last := m.Timeline[len(m.Timeline)-1]; last.Status != m.Status {
		add(ContradictionTimeline, "is %s, and the timeline ends with %s", m.Status, last.Status)
	}
	if m.Status.Final() == m.FinalAt.IsZero() {
		add(ContradictionTimeline, "is %s, and finalAt says otherwise", m.Status)
	}
	if m.Dropped > 0 {
		return // the entry of an attempt may be among those that are left out
	}
	for n := 1; n <= m.Attempts; n++ {
		if !slices.ContainsFunc(m.Timeline, func(e Entry) bool { return e.Attempt == n }) {
			add(ContradictionTimeline, "attempt %d of %d is not on the timeline", n, m.Attempts)
		}
	}
}
