package workers

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"mmsdispatch/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }

func TestCallsOfTheLastMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := NewRecorder()
		for i := range 100 {
			took := 100 * time.Millisecond
			if i == 99 {
				took = time.Second
			}
			r.Record(took, i < 3)
		}
		time.Sleep(slotLength) //nolint:forbidigo // the time of the bubble
		c := r.Calls()
		if c.Count != 100 || c.Errors != 3 || c.PerSecond != 10 {
			t.Errorf("calls: %+v", c)
		}
		for q, want := range map[float64]time.Duration{0.5: 100 * time.Millisecond, 0.99: 100 * time.Millisecond, 1: time.Second} {
			if got := c.Quantile(q); got < want || got > want*11/10 {
				t.Errorf("quantile %v: %s, want about %s", q, got, want)
			}
		}
		time.Sleep(time.Minute + slotLength) //nolint:forbidigo // the time of the bubble
		if c := r.Calls(); c.Count != 0 || c.Quantile(0.5) != 0 {
			t.Errorf("after a minute: %+v", c)
		}
	})
}

func TestListShowsLiveWorkersOnly(t *testing.T) {
	t.Parallel()
	rdb, now := redistest.Shared(t).Client(t), time.Now()
	publisher := func(id string, at time.Time) *Publisher {
		return &Publisher{
			Redis: rdb, Worker: State{ID: id, Host: "h", Version: "v1", StartedAt: now.UTC(), Concurrency: 50, Rate: 10},
			Recorder: NewRecorder(), Sending: func() int { return 4 }, Now: func() time.Time { return at },
		}
	}
	dead, live := publisher("dead", now.Add(-time.Minute)), publisher("live", now)
	for _, p := range []*Publisher{dead, live} {
		if err := p.Publish(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	list, err := List(t.Context(), rdb, now)
	if err != nil || len(list) != 1 || list[0].ID != "live" || list[0].Sending != 4 || list[0].Concurrency != 50 {
		t.Fatalf("list: %+v, %v", list, err)
	}
	if n := rdb.HLen(t.Context(), statesKey).Val(); n != 1 {
		t.Errorf("%d states are kept", n)
	}
	if err := live.remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list, err := List(t.Context(), rdb, now); err != nil || len(list) != 0 {
		t.Errorf("after the end: %+v, %v", list, err)
	}
}

// A start is recorded when it changes the version or a setting, once for all workers
// that start together.
func TestStartsThatChangeSomething(t *testing.T) {
	t.Parallel()
	rdb, begin := redistest.Shared(t).Client(t), time.Now().UTC().Truncate(time.Millisecond)
	for i, one := range []struct {
		version string
		rate    float64
	}{{"v1", 10}, {"v1", 10}, {"v2", 10}, {"v2", 10}, {"v2", 20}, {"v1", 20}} {
		at := begin.Add(time.Duration(i) * time.Minute)
		p := &Publisher{Redis: rdb, Worker: State{ID: "w", Version: one.version, Rate: one.rate}, Now: func() time.Time { return at }}
		if err := p.announce(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := rdb.LPush(t.Context(), changesKey, rdb.LIndex(t.Context(), changesKey, 0).Val()).Err(); err != nil { // two at the same time
		t.Fatal(err)
	}
	got, err := Starts(t.Context(), rdb)
	if err != nil {
		t.Fatal(err)
	}
	want := []Start{
		{At: begin, Version: "v1", Rate: 10},
		{At: begin.Add(2 * time.Minute), Version: "v2", Rate: 10},
		{At: begin.Add(4 * time.Minute), Version: "v2", Rate: 20},
		{At: begin.Add(5 * time.Minute), Version: "v1", Rate: 20},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
