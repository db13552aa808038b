package replay

import (
	"testing"
	"testing/synctest"
	"time"
)

// paced runs rounds, each of which takes a while, and returns how many messages they
// replay.
func paced(r *Runner, job Replay, rounds int, takes time.Duration) (messages int) {
	for range rounds {
		n := r.due(job)
		r.made[job.ID] += float64(n)
		messages += n
		time.Sleep(takes + busyPause)
	}
	return messages
}

// TestPace: messages go out as fast as the request says, also when rounds take time,
// and no faster.
func TestPace(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0.5, 1, 10, 333, 1000} {
		synctest.Test(t, func(t *testing.T) {
			job := Replay{Request: Request{Rate: rate}, ID: "rpl_1"}
			r := &Runner{begun: map[string]time.Time{job.ID: time.Now()}, made: map[string]float64{}}
			begun := time.Now()
			got := float64(paced(r, job, 400, 50*time.Millisecond))
			allowed := time.Since(begun).Seconds()*rate + 1
			if got > allowed || got < allowed-0.2*rate-2 {
				t.Errorf("%g messages in %s at %g a second", got, time.Since(begun), rate)
			}
		})
	}
}

// TestPaceAfterAPause: what was not replayed while Redis was away is not made up for
// by a burst of more than a second's worth.
func TestPaceAfterAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		job := Replay{Request: Request{Rate: 50}, ID: "rpl_1"}
		r := &Runner{begun: map[string]time.Time{job.ID: time.Now()}, made: map[string]float64{}}
		time.Sleep(time.Hour)
		if burst := paced(r, job, 1, 0); burst != 51 {
			t.Errorf("%d messages at once at 50 a second", burst)
		}
		if got := paced(r, job, 10, 0); got > 50 {
			t.Errorf("%d messages in the second after", got)
		}
	})
}
