package redisconn_test

import (
	"testing"
	"time"

	"mmsdispatch/internal/redisconn"
	"mmsdispatch/internal/redistest"
)

// near reports whether two durations are the same but for what a loaded machine
// adds.
func near(a, b time.Duration) bool { return (a - b).Abs() < 5*time.Second }

// A clock shows Redis' time whatever the system's shows, and reports by how much they
// differ; doctor finds the skew of each process.
func TestClockIsRedisClock(t *testing.T) {
	t.Parallel()
	moved := redistest.NewClock(t)
	rdb := redistest.Start(t, redistest.WithClock(moved)).Client(t)
	for name, ahead := range map[string]time.Duration{"api a:1": time.Minute, "worker b:1": -time.Minute, "worker c:1": 0} {
		local := func() time.Time { return time.Now().Add(ahead) }
		c := redisconn.NewClock(rdb, local)
		if got := c.Now().Sub(local()); !near(got, 0) {
			t.Errorf("%s: %s from the system's clock before it was measured", name, got)
		}
		if err := c.Measure(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := time.Until(c.Now()); !near(got, 0) || !near(c.Skew(), ahead) {
			t.Errorf("%s: %s from Redis' clock, skew %s", name, got, c.Skew())
		}
		if err := c.Publish(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		skews, err := redisconn.Skews(t.Context(), rdb)
		if err != nil || !near(skews[name], ahead) {
			t.Errorf("%s: published %v, %v", name, skews, err)
		}
	}
	moved.Move(2 * time.Minute) // as long after the processes have ended
	c := redisconn.NewClock(rdb, time.Now)
	if err := c.Measure(t.Context()); err != nil || !near(c.Skew(), -2*time.Minute) {
		t.Errorf("after a correction of Redis' clock: skew %s, %v", c.Skew(), err)
	}
	if err := c.Publish(t.Context(), "api d:1"); err != nil {
		t.Fatal(err)
	}
	if skews, err := redisconn.Skews(t.Context(), rdb); err != nil || len(skews) != 1 {
		t.Errorf("skews of processes that have ended: %v, %v", skews, err)
	}
	if n := rdb.HLen(t.Context(), "mms:{m}:clocks").Val(); n != 1 {
		t.Errorf("%d entries are kept", n)
	}
}
