package recovery

import (
	"testing"
	"time"

	"mmsdispatch/internal/message"
)

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
