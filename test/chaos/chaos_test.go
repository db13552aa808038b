package chaos_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

// recovery bounds the wait for the last message. Recovery takes up to two
// minutes where asynq's own recovery has to act (docs/promises.md).
const recovery = 4 * time.Minute

func TestChaos(t *testing.T) {
	t.Parallel()
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	runs := []struct {
		api       string
		perSecond float64
		messages  int // at least
	}{
		{mms, 200, 2000},
		{batches, 150, 2000},
	}
	for _, run := range runs {
		t.Run(run.api, func(t *testing.T) {
			t.Parallel()
			t.Logf("-chaos.seed=%d -chaos.for=%s", seed, *chaosFor)
			s := start(t, shape{api: run.api, apis: 2, workers: 3})
			runUnderFaults(t, s, seed, run.perSecond, run.messages)
		})
	}
}

// runUnderFaults breaks an installation under load, repairs it and checks its promises.
func runUnderFaults(t *testing.T, s *stack, seed uint64, perSecond float64, least int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), *chaosFor+2*recovery)
	defer cancel()
	open, stopCallers := context.WithCancel(ctx)
	defer stopCallers()
	load, other := newCallers(ctx, open, s, perSecond, seed), misbehave(open, s, seed)
	plan := newSchedule(s, seed)
	end := time.Now().Add(*chaosFor)
	plan.run(func() bool { return time.Now().After(end) && load.messages() >= least })

	stopCallers()
	beside := other.finish(t)
	repaired := time.Now()
	plan.repairAll()
	s.awaitReady()
	a := &audit{t: t, stack: s, ids: load.finish(t), last: map[string]resource{}, found: map[string]error{}}
	a.awaitFinal(recovery)
	recovered := time.Since(repaired)

	calls := s.sim.Stats().Accepted
	harness.WhileStable(t, "no further calls", 2*time.Second, func() (bool, string) {
		stats := s.sim.Stats()
		return stats.Accepted == calls, fmt.Sprintf("%+v, had accepted %d", stats, calls)
	})
	v := a.verify(t.Context())
	report(t, s, plan, load, v, recovered)
	t.Logf("answers to the tenant that misbehaves: %v", beside)
	if v.messages < least {
		t.Errorf("only %d messages were accepted, want %d", v.messages, least)
	}
	if s.shape.api == batches && v.unknown > 0 {
		t.Errorf("%d messages are unknown, though Sinch can be queried", v.unknown)
	}
}

func report(t *testing.T, s *stack, plan *schedule, load *callers, v verdict, recovered time.Duration) {
	t.Helper()
	var faults []string
	for _, name := range slices.Sorted(maps.Keys(plan.counts)) {
		faults = append(faults, fmt.Sprintf("%d %s", plan.counts[name], name))
	}
	stats := s.sim.Stats()
	t.Logf("%s: %d messages, %d answers 503\n"+
		"faults: %s\n"+
		"Sinch: %d calls, %d accepted, %d lookups; %v\n"+
		"doubles %d, lost %d, unknown %d (Sinch does not have %v), delivered %d, sent %d, failed %d\n"+
		"recovered after %s",
		s.shape.api, v.messages, load.retries, strings.Join(faults, ", "),
		stats.Calls, stats.Accepted, stats.Lookups, stats.Answers,
		v.doubles, v.lost, v.unknown, v.notSent, v.delivered, v.sent, v.failed, recovered.Round(time.Millisecond))
}
