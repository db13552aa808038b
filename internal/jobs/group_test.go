package jobs

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

// members are n messages of one group.
func members(n int) []*message.Message {
	some := make([]*message.Message, n)
	for i := range some {
		some[i] = message.New(message.NewID(message.RandomIdentity(), time.Now()), message.Scope{Tenant: "t"},
			message.Content{Priority: message.Normal}, "", time.Now())
		some[i].Group = "g"
	}
	return some
}

func idsOf(messages []*message.Message) []message.ID {
	ids := make([]message.ID, len(messages))
	for i, m := range messages {
		ids[i] = m.ID
	}
	return ids
}

// regroupOne makes one change of the group.
func regroupOne(t *testing.T, q *Queue, c groupChange) group {
	t.Helper()
	c.name, c.lane = "g", "normal"
	groups, err := q.regroup(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return groups[0]
}

// eachRedis runs a test on Redis and on the Redis of the development mode.
func eachRedis(t *testing.T, test func(t *testing.T, rdb *redis.Client)) {
	t.Helper()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, redistest.Shared(t).Client(t))
	})
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
		t.Cleanup(func() { _ = rdb.Close() })
		test(t, rdb)
	})
}

// A group has the same task until that one hands it on or the group is empty,
// and no task that it has had before.
func TestGenerationsOfAGroup(t *testing.T) {
	t.Parallel()
	eachRedis(t, func(t *testing.T, rdb *redis.Client) {
		q := NewQueue(rdb, time.Second)
		some := members(5)
		first := regroupOne(t, q, groupChange{join: some[:2]})
		if again := regroupOne(t, q, groupChange{join: some[1:4]}); again.generation != first.generation || first.generation == 0 {
			t.Errorf("generation %d after %d, though the first task is there", again.generation, first.generation)
		}
		if other := regroupOne(t, q, groupChange{handOn: first.generation + 7, leave: idsOf(some[3:4])}); other.generation != first.generation {
			t.Errorf("handed on by a task that does not stand for the group: %d, then %d", first.generation, other.generation)
		}
		second := regroupOne(t, q, groupChange{handOn: first.generation, leave: idsOf(some[:1])})
		if second.generation != first.generation+1 {
			t.Errorf("handed on: generation %d after %d", second.generation, first.generation)
		}
		view, err := q.readGroup(t.Context(), "g")
		if err != nil || len(view.due) != 2 || view.generation != second.generation {
			t.Errorf("%+v, %v", view, err)
		}
		if empty := regroupOne(t, q, groupChange{handOn: second.generation, leave: idsOf(some)}); empty.generation != 0 {
			t.Errorf("empty: %+v", empty)
		}
		if n := rdb.Exists(t.Context(), groupKey("g")).Val(); n != 0 {
			t.Error("an empty group is kept")
		}
		if third := regroupOne(t, q, groupChange{join: some[4:]}); third.generation <= second.generation {
			t.Errorf("there again: generation %d after %d", third.generation, second.generation)
		}
	})
}

// A member that is due before all others does not wait for their task.
func TestEarlierMemberHasATaskOfItsOwn(t *testing.T) {
	t.Parallel()
	eachRedis(t, func(t *testing.T, rdb *redis.Client) {
		q := NewQueue(rdb, time.Second)
		late, now := members(2), members(2)
		at := time.Now().Add(time.Hour).Truncate(time.Millisecond)
		for _, m := range late {
			m.NextAt = at
		}
		first := regroupOne(t, q, groupChange{join: late})
		if !first.due.Equal(at) {
			t.Errorf("due at %s, want %s", first.due, at)
		}
		second := regroupOne(t, q, groupChange{join: now[:1]})
		if second.generation == first.generation || second.due.After(time.Now().Add(time.Minute)) {
			t.Errorf("%+v after %+v", second, first)
		}
		if third := regroupOne(t, q, groupChange{join: now[1:]}); third.generation != second.generation {
			t.Errorf("another generation for a member that is due like others: %+v after %+v", third, second)
		}
		view, err := q.readGroup(t.Context(), "g")
		if err != nil || len(view.due) != 2 || !view.next.Equal(at) {
			t.Errorf("%+v, %v", view, err)
		}
		generation, absent, err := q.absent(t.Context(), "g", append(late, members(1)...))
		if err != nil || generation != second.generation || len(absent) != 1 {
			t.Errorf("generation %d, %d absent, %v", generation, len(absent), err)
		}
	})
}

// Any number of members has one task.
func TestGroupHasOneTask(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	q, some := NewQueue(rdb, time.Second), members(2*groupMembers+10)
	for range 2 {
		if err := q.DispatchMany(t.Context(), some); err != nil {
			t.Fatal(err)
		}
	}
	info, err := asynq.NewInspectorFromRedisClient(rdb).GetQueueInfo("normal")
	if err != nil || info.Size != 1 {
		t.Errorf("%+v, %v", info, err)
	}
	if n := rdb.ZCard(t.Context(), groupKey("g")).Val(); int(n) != len(some)+1 {
		t.Errorf("%d entries for %d members", n, len(some))
	}
	g := regroupOne(t, q, groupChange{})
	if name, generation, ok := parseGroupTask(g.task().id); !ok || name != "g" || generation != g.generation {
		t.Errorf("%q is of %q, %d, %t", g.task().id, name, generation, ok)
	}
	if _, _, ok := parseGroupTask(messageTask(some[0]).id); ok {
		t.Error("the task of a message is taken for that of a group")
	}
}

// The sweeper makes the task of a group again, whether it is gone or will not
// come, and only then.
func TestSweeperRenewsTheTaskOfAGroup(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil  func(t *testing.T, b *bench, task string)
		healed string // its metric; empty: nothing has to be healed
	}{
		"comes": {func(*testing.T, *bench, string) {}, ""},
		"gone": {func(t *testing.T, b *bench, task string) {
			t.Helper()
			if err := asynq.NewInspectorFromRedisClient(b.rdb).DeleteTask("bulk", task); err != nil {
				t.Fatal(err)
			}
		}, healedTask},
		"archived": {func(t *testing.T, b *bench, task string) {
			t.Helper()
			if err := asynq.NewInspectorFromRedisClient(b.rdb).ArchiveTask("bulk", task); err != nil {
				t.Fatal(err)
			}
		}, healedStuck},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			f := b.bulk()
			messages := b.acceptBatch(t, 10)
			groups, err := b.queue.regroup(t.Context(), groupChange{name: messages[0].Group, lane: "bulk"})
			if err != nil {
				t.Fatal(err)
			}
			c.spoil(t, b, groups[0].task().id)
			b.place(t, time.Now().Add(-time.Second), messages...)
			if err := NewRunner(b.opts).sweeper.round(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, kind := range []string{healedTask, healedStuck} {
				if n := b.metrics.of(kind); (n == 1) != (kind == c.healed) || n > 1 {
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

// A member whose time is over gets no call, and the others do.
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
	b.opts.Media = mediaFunc(func(context.Context, *message.Message) ([]string, error) {
		return nil, &MediumError{Detail: "not an image"}
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
