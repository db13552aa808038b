package queue

import (
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
func regroupOne(t *testing.T, q *Queue, c GroupChange) Group {
	t.Helper()
	c.Name, c.Lane = "g", "normal"
	groups, err := q.Regroup(t.Context(), c)
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

// A group has the same task until the task is replaced or the group is empty, and no
// task that it has had before.
func TestGenerationsOfAGroup(t *testing.T) {
	t.Parallel()
	eachRedis(t, func(t *testing.T, rdb *redis.Client) {
		q := New(rdb, time.Second)
		some := members(5)
		first := regroupOne(t, q, GroupChange{Add: some[:2]})
		if again := regroupOne(t, q, GroupChange{Add: some[1:4]}); again.Generation != first.Generation || first.Generation == 0 {
			t.Errorf("generation %d after %d, though the first task is there", again.Generation, first.Generation)
		}
		if other := regroupOne(t, q, GroupChange{Replace: first.Generation + 7, Remove: idsOf(some[3:4])}); other.Generation != first.Generation {
			t.Errorf("replaced by a task of another generation: %d, then %d", first.Generation, other.Generation)
		}
		second := regroupOne(t, q, GroupChange{Replace: first.Generation, Remove: idsOf(some[:1])})
		if second.Generation != first.Generation+1 {
			t.Errorf("replaced: generation %d after %d", second.Generation, first.Generation)
		}
		view, err := q.ReadGroup(t.Context(), "g")
		if err != nil || len(view.Due) != 2 || view.Generation != second.Generation {
			t.Errorf("%+v, %v", view, err)
		}
		if empty := regroupOne(t, q, GroupChange{Replace: second.Generation, Remove: idsOf(some)}); empty.Generation != 0 {
			t.Errorf("empty: %+v", empty)
		}
		if n := rdb.Exists(t.Context(), groupKey("g")).Val(); n != 0 {
			t.Error("an empty group is kept")
		}
		if third := regroupOne(t, q, GroupChange{Add: some[4:]}); third.Generation <= second.Generation {
			t.Errorf("there again: generation %d after %d", third.Generation, second.Generation)
		}
	})
}

// A member that is due before all others does not wait for their task.
func TestEarlierMemberHasATaskOfItsOwn(t *testing.T) {
	t.Parallel()
	eachRedis(t, func(t *testing.T, rdb *redis.Client) {
		q := New(rdb, time.Second)
		late, now := members(2), members(2)
		at := time.Now().Add(time.Hour).Truncate(time.Millisecond)
		for _, m := range late {
			m.NextAt = at
		}
		first := regroupOne(t, q, GroupChange{Add: late})
		if !first.Due.Equal(at) {
			t.Errorf("due at %s, want %s", first.Due, at)
		}
		second := regroupOne(t, q, GroupChange{Add: now[:1]})
		if second.Generation == first.Generation || second.Due.After(time.Now().Add(time.Minute)) {
			t.Errorf("%+v after %+v", second, first)
		}
		if third := regroupOne(t, q, GroupChange{Add: now[1:]}); third.Generation != second.Generation {
			t.Errorf("another generation for a member that is due like others: %+v after %+v", third, second)
		}
		view, err := q.ReadGroup(t.Context(), "g")
		if err != nil || len(view.Due) != 2 || !view.Next.Equal(at) {
			t.Errorf("%+v, %v", view, err)
		}
		generation, absent, err := q.Absent(t.Context(), "g", append(late, members(1)...))
		if err != nil || generation != second.Generation || len(absent) != 1 {
			t.Errorf("generation %d, %d absent, %v", generation, len(absent), err)
		}
	})
}

// Any number of members has one task.
func TestGroupHasOneTask(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	q, some := New(rdb, time.Second), members(2*groupMembers+10)
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
	g := regroupOne(t, q, GroupChange{})
	if name, generation, ok := ParseGroupTask(g.Task().ID); !ok || name != "g" || generation != g.Generation {
		t.Errorf("%q is of %q, %d, %t", g.Task().ID, name, generation, ok)
	}
	if _, _, ok := ParseGroupTask(MessageTask(some[0]).ID); ok {
		t.Error("the task of a message is parsed as that of a group")
	}
}
