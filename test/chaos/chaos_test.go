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

// recovery bounds the wait for the last message. Healing takes up to two
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
			rampage(t, s, seed, run.perSecond, run.messages)
		})
	}
}

// rampage breaks an installation under load, heals it and holds it to its
// promises.
func rampage(t *testing.T, s *stack, seed uint64, perSecond float64, least int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), *chaosFor+2*recovery)
	defer cancel()
	open, closeShop := context.WithCancel(ctx)
	defer closeShop()
	load, other := newCallers(ctx, open, s, perSecond, seed), misbehave(open, s, seed)
	plan := newSchedule(s, seed)
	end := time.Now().Add(*chaosFor)
	plan.run(func() bool { return time.Now().After(end) && load.messages() >= least })

	closeShop()
	beside := other.finish(t)
	healed := time.Now()
	plan.healAll()
	s.awaitReady()
	a := &audit{t: t, stack: s, ids: load.finish(t), last: map[string]resource{}, found: map[string]error{}}
	a.awaitSettled(recovery)
	recovered := time.Since(healed)

	calls := s.sim.Stats().Accepted
	harness.Hold(t, "silence after the storm", 2*time.Second, func() (bool, string) {
		stats := s.sim.Stats()
		return stats.Accepted == calls, fmt.Sprintf("%+v, had accepted %d", stats, calls)
	})
	v := a.judge(t.Context())
	report(t, s, plan, load, v, recovered)
	t.Logf("answers to the tenant that misbehaves: %v", beside)
	if v.messages < least {
		t.Errorf("only %d messages were taken, want %d", v.messages, least)
	}
	if s.shape.api == batches && v.unknown > 0 {
		t.Errorf("%d messages are unknown, though Sinch can be asked", v.unknown)
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
		"Sinch: %d calls, %d accepted, %d look-ups; %v\n"+
		"doubles %d, lost %d, unknown %d (Sinch does not have %v), delivered %d, sent %d, failed %d\n"+
		"recovered after %s",
		s.shape.api, v.messages, load.retries, strings.Join(faults, ", "),
		stats.Calls, stats.Accepted, stats.Lookups, stats.Answers,
		v.doubles, v.lost, v.unknown, v.unsent, v.delivered, v.sent, v.failed, recovered.Round(time.Millisecond))
}
