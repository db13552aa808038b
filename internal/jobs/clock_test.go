package jobs

import (
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

// skewed is a bench whose workers are ahead of Redis.
func skewed(t *testing.T, ahead time.Duration) (*bench, *redistest.Clock) {
	t.Helper()
	clock := redistest.NewClock(t)
	clock.Move(-ahead)
	return setupOn(t, redistest.Start(t, redistest.WithClock(clock)).Client(t)), clock
}

// A worker that is ahead of Redis expires no message whose time has not come, and
// does not send one that is not due.
func TestClockOfAWorkerDecidesNothing(t *testing.T) {
	t.Parallel()
	const ahead = 50 * time.Second
	b, _ := skewed(t, ahead)
	now := time.Now().UTC().Truncate(time.Millisecond)
	open := b.accept(t, func(c *message.Content) { c.ExpiresAt = now.Add(-ahead / 2) })
	early := b.accept(t, func(c *message.Content) { c.SendAt = now.Add(-ahead / 2) })
	b.dispatch(t, open)
	b.dispatch(t, early)
	b.run(t)
	b.await(t, open.ID, message.StatusSent)
	inspector := asynq.NewInspectorFromRedisClient(b.rdb)
	eventually(t, func() bool { // it is parked, and not tried again and again
		parked, err := inspector.ListRetryTasks(string(message.Normal))
		return err == nil && len(parked) == 1 && time.Until(parked[0].NextProcessAt) > ahead/5
	})
	if got, err := b.ledger.Get(t.Context(), early.ID); err != nil || got.Status != message.StatusQueued || b.sinch.count(early.ID) != 0 {
		t.Errorf("sent before its time: %+v, %v", got, err)
	}
}

// A correction of Redis' clock between two lookups proves no absence.
func TestCorrectedClockProvesNoAbsence(t *testing.T) {
	t.Parallel()
	b, clock := skewed(t, 0)
	b.opts.Recovery.LookupWindow = 30 * time.Second
	b.sinch.find = func(string) (string, bool, error) { return "", false, nil }
	m := b.unknown(t, 1)[0]
	b.run(t)
	lookups := func(n int) func() bool {
		return func() bool {
			got, err := b.ledger.Get(t.Context(), m.ID)
			return err == nil && len(got.Calls) == 1 && got.Calls[0].Lookups >= n
		}
	}
	eventually(t, lookups(1))
	clock.Move(time.Minute)
	eventually(t, lookups(message.LookupsNeeded))
	if got, err := b.ledger.Get(t.Context(), m.ID); err != nil || got.Status != message.StatusUnknown {
		t.Errorf("%+v, %v: its absence counts as proved", got, err)
	}
}
