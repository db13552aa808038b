package jobs

import (
	"context"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"mmsdispatch/internal/jobs/dispatch"
	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/jobs/recovery"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
)

// The sweeper makes the task of a group again, whether it is gone or will not
// come, and only then.
func TestSweeperRenewsTheTaskOfAGroup(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil     func(t *testing.T, b *bench, task string)
		recovered string // its metric; empty: nothing has to be recovered
	}{
		"comes": {func(*testing.T, *bench, string) {}, ""},
		"gone": {func(t *testing.T, b *bench, task string) {
			t.Helper()
			if err := asynq.NewInspectorFromRedisClient(b.rdb).DeleteTask("bulk", task); err != nil {
				t.Fatal(err)
			}
		}, recovery.TaskMissing},
		"archived": {func(t *testing.T, b *bench, task string) {
			t.Helper()
			if err := asynq.NewInspectorFromRedisClient(b.rdb).ArchiveTask("bulk", task); err != nil {
				t.Fatal(err)
			}
		}, recovery.TaskStuck},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			f := b.bulk()
			messages := b.acceptBatch(t, 10)
			groups, err := b.queue.Regroup(t.Context(), queue.GroupChange{Name: messages[0].Group, Lane: "bulk"})
			if err != nil {
				t.Fatal(err)
			}
			c.spoil(t, b, groups[0].Task().ID)
			b.place(t, time.Now().Add(-time.Second), messages...)
			b.round(t, NewRunner(b.opts).sweeper)
			for _, kind := range []string{recovery.TaskMissing, recovery.TaskStuck} {
				if n := b.metrics.of(kind); (n == 1) != (kind == c.recovered) || n > 1 {
					t.Errorf("%d of kind %s", n, kind)
				}
			}
			b.run(t)
			b.awaitAll(t, messages, all(message.StatusSent))
			f.wantOnceEach(t, 10)
		})
	}
}

// Messages that were accepted under an API with many recipients go alone under
// one without.
func TestGroupUnderAnotherAPI(t *testing.T) {
	t.Parallel()
	b := setup(t)
	messages := b.acceptBatch(t, 5)
	b.run(t)
	b.awaitAll(t, messages, all(message.StatusSent))
	for _, m := range messages {
		if n := b.sinch.count(m.ID); n != 1 {
			t.Errorf("%d calls", n)
		}
	}
}

// An expired member gets no call, and the others do.
func TestExpiredMemberIsLeftOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.bulk()
	messages := b.acceptBatch(t, 5)
	if _, err := b.ledger.Update(t.Context(), messages[2].ID, func(m *message.Message, now time.Time) error {
		m.ExpiresAt = now.Add(-time.Second)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	b.run(t)
	b.awaitAll(t, messages, func(i int) message.Status {
		if i == 2 {
			return message.StatusExpired
		}
		return message.StatusSent
	})
	f.wantOnceEach(t, 4)
}

// A group that shares bad media ends as a whole, without a call.
func TestBadMediaOfAGroup(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.bulk()
	b.opts.Media = mediaFunc(func(context.Context, *message.Message) ([]sinch.Media, error) {
		return nil, &dispatch.MediaError{Detail: "not an image"}
	})
	messages := b.acceptBatch(t, 20)
	b.run(t)
	for _, m := range b.awaitAll(t, messages, all(message.StatusFailed)) {
		if m.Reason.Code != message.ReasonMedia {
			t.Errorf("%+v", m.Reason)
		}
	}
	if calls := f.made(); len(calls) > 0 {
		t.Errorf("%d calls", len(calls))
	}
}
