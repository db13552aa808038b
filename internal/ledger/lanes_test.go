package ledger_test

import (
	"testing"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// The age of a lane is that of the message that could have been sent for longest:
// deferrals, retries and reissued tasks do not make it younger, and messages of a
// later sendAt, sent ones and other lanes do not count.
func TestLaneAge(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{})
	old := request("")
	old.Now = time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	m := accept(t, l, old)
	later := request("")
	later.Content.SendAt = time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	later.Content.Priority = message.High
	accept(t, l, later)
	for _, change := range []ledger.Change{
		func(m *message.Message, now time.Time) error { return m.Reissue(now) },
		func(m *message.Message, now time.Time) error { return m.Reissue(now) },
	} {
		if _, err := l.Update(t.Context(), m.ID, change); err != nil {
			t.Fatal(err)
		}
	}
	lanes, err := l.Lanes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := lanes[message.Normal]; got.Oldest < time.Hour || got.Oldest > 2*time.Hour || got.Messages[message.StatusQueued] != 1 {
		t.Errorf("normal: %+v", got)
	}
	if got := lanes[message.High]; got.Oldest != 0 || got.Messages[message.StatusScheduled] != 1 {
		t.Errorf("high: %+v", got)
	}
	begin(t, l, m.ID, "w1")
	if lanes, err = l.Lanes(t.Context()); err != nil || lanes[message.Normal].Oldest != 0 || lanes[message.Normal].Messages[message.StatusSending] != 1 {
		t.Errorf("while it is sent: %+v, %v", lanes[message.Normal], err)
	}
	back := func(m *message.Message, now time.Time) error {
		return m.Conclude(1, message.Outcome{Kind: message.OutcomeNotBegun, Code: message.ReasonInternal}, message.Retry{}, now)
	}
	if _, err := l.Update(t.Context(), m.ID, back); err != nil {
		t.Fatal(err)
	}
	if lanes, err = l.Lanes(t.Context()); err != nil || lanes[message.Normal].Oldest < time.Hour {
		t.Errorf("after a try that came to nothing: %+v, %v", lanes[message.Normal], err)
	}
}
