package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

// processTime is the CPU time that a program has used.
func processTime(t *testing.T, p *harness.Program) time.Duration {
	t.Helper()
	const ticks = 100 // a second, on every Linux
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return time.Duration(user+system) * time.Second / ticks
}

// A worker whose password of Redis was changed logs it once for each part
// of it, uses little more of the processor than an idle one, and goes on by itself
// when the password is good again.
func TestRotatedPasswordOfRedis(t *testing.T) {
	t.Parallel()
	const (
		watched  = 10 * time.Second
		linesMax = 12 // a state each of Redis, readiness, tasks, heartbeats, sweeps, limiter …
	)
	s := start(t, plainRedis(), with("LOG_LEVEL", "info"))
	w := s.workers[0]
	s.awaitStatus(s.send(message{}), "delivered")
	operator := s.redis.Client(t)
	used := func() time.Duration {
		before := processTime(t, w.Program)
		<-time.After(watched)
		return processTime(t, w.Program) - before
	}
	idle := used()
	rotate := func(password string) {
		t.Helper()
		for _, args := range [][]any{
			{"config", "set", "requirepass", password}, {"client", "kill", "type", "normal", "skipme", "yes"}, {"client", "kill", "type", "pubsub"},
		} {
			if err := operator.Do(t.Context(), args...).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := len(w.Log())
	rotate("rotated")
	s.await("refused logins", harness.Patience, func() (bool, string) {
		return strings.Contains(string(w.Log()), "redis does not answer"), ""
	})
	refused := used()
	lines := bytes.Count(w.Log()[before:], []byte{'\n'})
	if lines > linesMax {
		t.Errorf("%d lines, want %d at most:\n%s", lines, linesMax, w.Log()[before:])
	}
	if most := 3*idle + watched/20; refused > most {
		t.Errorf("%s of the processor in %s, want %s at most: an idle worker used %s", refused, watched, most, idle)
	}
	t.Logf("%d lines; %s of the processor, %s when idle, in %s", lines, refused, idle, watched)
	rotate("")
	s.awaitUp()
	s.awaitStatus(s.send(message{}), "delivered")
}
