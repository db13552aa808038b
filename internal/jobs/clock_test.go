package jobs

import (
	"errors"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"mmsdispatch/internal/ledger"
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
// leaves one that is not due alone until it is.
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
	b.opts.Settling.LookupWindow = 30 * time.Second
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
		t.Errorf("%+v, %v: its absence was taken for proved", got, err)
	}
}

// The evidence of absence is measured on the monotonic clock. A correction of
// Redis' clock voids it, and no lookup counts for the time of a call.
func TestAbsences(t *testing.T) {
	t.Parallel()
	local, redis := time.Now(), time.Now().Add(time.Hour)
	a := newAbsences(10*time.Second, func() time.Time { return local })
	pass := func(d time.Duration) {
		local, redis = local.Add(d), redis.Add(d)
		a.observe(redis)
	}
	add := func(n int, want message.Absence, wantWait bool) {
		t.Helper()
		got, wait := a.add("msg_1", n, local)
		if got != want || (wait > 0) != wantWait {
			t.Errorf("evidence %+v, wait %s; want %+v, wait %t", got, wait, want, wantWait)
		}
	}
	pass(0)
	add(1, message.Absence{Lookups: 1}, false)
	pass(20 * time.Second)
	add(1, message.Absence{Lookups: 2, Over: 20 * time.Second}, false)
	add(2, message.Absence{Lookups: 1}, false)
	for _, jump := range []time.Duration{time.Minute, -time.Minute} {
		redis = redis.Add(jump)
		pass(time.Second)
		add(1, message.Absence{}, true)
		pass(5 * time.Second)
		add(1, message.Absence{}, true)
		pass(10 * time.Second)
		add(1, message.Absence{Lookups: 1}, false)
	}
	a.drop("msg_1", 1)
	add(1, message.Absence{Lookups: 1}, false)
	pass(2 * absenceKept)
	add(2, message.Absence{Lookups: 1}, false)
	if len(a.seen) != 1 {
		t.Errorf("evidence of %d attempts is kept", len(a.seen))
	}
}

// A message that was replayed since a worker read it is not ended by what the
// worker read.
func TestReplayIsNotUndone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := &Handler{ledger: b.ledger}
	for name, how := range map[string]ledger.Change{
		"canceled": (*message.Message).Cancel, "suppressed": (*message.Message).Suppress, "expired": (*message.Message).Expire,
	} {
		past := time.Now().Add(-time.Second).UTC().Truncate(time.Millisecond)
		m := b.accept(t, func(c *message.Content) { c.ExpiresAt = past })
		after, err := b.ledger.Update(t.Context(), m.ID, func(m *message.Message, now time.Time) error {
			return errors.Join(m.Cancel(now), m.Replay(false, time.Time{}, now))
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.end(t.Context(), m, how); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := b.ledger.Get(t.Context(), m.ID); err != nil || got.Status != message.StatusQueued || got.Task != after.Task {
			t.Errorf("%s: the replay became %+v, %v", name, got, err)
		}
		if err := h.end(t.Context(), after, (*message.Message).Cancel); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		b.await(t, m.ID, message.StatusCanceled)
	}
}
