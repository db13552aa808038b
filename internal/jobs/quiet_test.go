package jobs

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"mmsdispatch/internal/message"
)

// night holds the messages to some numbers until a time.
type night struct {
	until time.Time
	who   []string     // numbers; none: all
	after atomic.Int64 // the questions that it answers by day first
}

func (n *night) Hold(c *message.Content, at time.Time) message.Held {
	if n.after.Add(-1) >= 0 || !at.Before(n.until) || len(n.who) > 0 && !slices.Contains(n.who, c.To) {
		return message.Held{}
	}
	return message.Held{Until: n.until, Zone: "America/Denver"}
}

func soon(d time.Duration) time.Time { return time.Now().Add(d).UTC().Truncate(time.Millisecond) }

// wasHeld checks that a message that was sent has waited for the end of a night.
func wasHeld(t *testing.T, m *message.Message, n *night) {
	t.Helper()
	held := slices.IndexFunc(m.Timeline, func(e message.Entry) bool { return e.Status == message.StatusScheduled })
	if held < 0 || m.SentAt.Before(n.until) || m.Attempts != 1 || m.Tries != 0 || !m.HeldUntil.IsZero() {
		t.Errorf("sent at %s, night until %s: %+v", m.SentAt, n.until, m)
	}
}

// A message that comes to its call in quiet hours is scheduled for their end.
func TestQueuedMessageIsHeldInQuietHours(t *testing.T) {
	t.Parallel()
	for _, questions := range []int64{0, 1} { // the second one is asked right before the call
		b := setup(t)
		n := &night{until: soon(3 * time.Second)}
		n.after.Store(questions)
		b.opts.Quiet = n
		b.run(t)
		m := b.accept(t)
		b.dispatch(t, m)
		if got := b.await(t, m.ID, message.StatusScheduled); !got.HeldUntil.Equal(n.until) || b.sinch.count(m.ID) != 0 {
			t.Errorf("%+v, %d calls", got, b.sinch.count(m.ID))
		}
		wasHeld(t, b.await(t, m.ID, message.StatusSent), n)
	}
}

// A held message whose time is over ends without a call.
func TestHeldMessageExpiresWithoutACall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.opts.Quiet = &night{until: soon(time.Hour)}
	b.run(t)
	m := b.accept(t, func(c *message.Content) { c.ExpiresAt = soon(2 * time.Second) })
	b.dispatch(t, m)
	if got := b.await(t, m.ID, message.StatusExpired); got.Attempts != 0 || b.sinch.count(m.ID) != 0 {
		t.Errorf("%+v, %d calls", got, b.sinch.count(m.ID))
	}
}

// Of a group only the recipients wait for whom it is night.
func TestMembersOfAGroupAreHeldOneByOne(t *testing.T) {
	t.Parallel()
	for _, questions := range []int64{0, 4} {
		b := setup(t)
		sinch := b.bulk()
		n := &night{until: soon(4 * time.Second), who: []string{bulkNumber(1), bulkNumber(3)}}
		n.after.Store(questions)
		b.opts.Quiet = n
		b.run(t)
		messages := b.acceptBatch(t, 4)
		for i, m := range messages {
			got := b.await(t, m.ID, message.StatusSent)
			if i%2 == 1 {
				wasHeld(t, got, n)
			} else if !got.SentAt.Before(n.until) {
				t.Errorf("%s waited until %s", got.Content.To, got.SentAt)
			}
		}
		for _, calls := range sinch.accepted() {
			if calls != 1 {
				t.Errorf("%v", sinch.accepted())
			}
		}
	}
}
