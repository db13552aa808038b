package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"mmsdispatch/internal/redistest"
	"mmsdispatch/test/harness"
)

// fault breaks something. It returns what heals it, and after how long.
type fault struct {
	name   string
	weight int
	strike func() (heal cure, after time.Duration)
}

// cure heals a fault; false: not yet, ask again soon.
type cure func() bool

// askAgain is when a cure that could not heal yet is tried again.
const askAgain = 100 * time.Millisecond

// target is a part of the installation that has one fault at a time.
type target struct {
	name   string
	faults []fault
	broken bool
}

// due is a cure with its time.
type due struct {
	at   time.Time
	cure cure
	of   *target
}

// schedule breaks an installation and heals it again. It runs in the goroutine
// of its test, so that one thing happens at a time and the seed decides which.
type schedule struct {
	t       *testing.T
	stack   *stack
	rng     *rand.Rand
	targets []*target
	pending []due
	counts  map[string]int
}

func newSchedule(s *stack, seed uint64) *schedule {
	c := &schedule{
		t: s.t, stack: s, counts: map[string]int{},
		rng: rand.New(rand.NewPCG(seed, seed)),
	}
	for _, p := range s.workers {
		c.aim(p.Name, c.processFaults(p, 3, 14*time.Second)...)
	}
	for _, p := range s.apis {
		c.aim(p.Name, c.processFaults(p, 2, 3*time.Second)...)
	}
	for _, p := range s.processes() {
		c.aim(p.toRedis.Name, c.lineFaults(p.toRedis, 1)...)
	}
	if s.clock != nil {
		c.aim("clock of Redis", c.clockFaults(s.clock.Offset)...)
		for _, p := range s.processes() {
			c.aim("clock of "+p.Name, c.clockFaults(p.clock)...)
		}
	}
	c.aim(s.front.Name, c.lineFaults(s.front, 1)...)
	c.aim(s.toSinch.Name, c.lineFaults(s.toSinch, 2)...)
	c.aim("redis", c.redisFaults()...)
	c.aim("sinch itself", c.weather()...)
	return c
}

func (c *schedule) aim(name string, faults ...fault) {
	c.targets = append(c.targets, &target{name: name, faults: faults})
}

// between draws a time.
func (c *schedule) between(least, most time.Duration) time.Duration {
	return least + time.Duration(c.rng.Int64N(int64(most-least)+1))
}

// processFaults kill, freeze or stop a process.
func (c *schedule) processFaults(p *process, weight int, longestFreeze time.Duration) []fault {
	restart := func() bool { p.Start(); return true }
	return []fault{
		{"kills", weight, func() (cure, time.Duration) {
			p.Kill()
			return restart, c.between(0, 3*time.Second)
		}},
		{"freezes", weight, func() (cure, time.Duration) {
			p.Signal(syscall.SIGSTOP)
			return func() bool { p.Signal(syscall.SIGCONT); return true }, c.between(200*time.Millisecond, longestFreeze)
		}},
		{"terminations", 1, func() (cure, time.Duration) {
			p.Signal(syscall.SIGTERM)
			asked := time.Now()
			return func() bool {
				if p.Running() && time.Since(asked) < harness.Graceful {
					return false
				}
				if p.Running() {
					c.t.Errorf("%s still runs %s after SIGTERM", p.Name, harness.Graceful)
					p.TryKill()
				}
				p.Start()
				return true
			}, c.between(0, 2*time.Second)
		}},
	}
}

// longestStall is shorter than LOOKUP_WINDOW: a call that hangs in a line for
// longer would count as surely not sent, as promised.
const longestStall = 4 * time.Second

// lineFaults part two sides from each other.
func (c *schedule) lineFaults(l *harness.Link, weight int) []fault {
	mend := func() bool { l.Heal(); return true }
	return []fault{
		{"partitions", weight, func() (cure, time.Duration) {
			l.Sever()
			return mend, c.between(100*time.Millisecond, longestStall)
		}},
		{"stalls", weight, func() (cure, time.Duration) {
			l.Stall()
			return mend, c.between(100*time.Millisecond, longestStall)
		}},
		{"lost answers", weight, func() (cure, time.Duration) {
			l.Silence()
			return func() bool { l.Reset(); return mend() }, c.between(10*time.Millisecond, longestStall)
		}},
		{"resets", weight, func() (cure, time.Duration) { l.Reset(); return mend, 0 }},
	}
}

// clockFaults move a clock and correct it again, by up to a minute each time.
func (c *schedule) clockFaults(clock *redistest.Offset) []fault {
	return []fault{{"clock jumps", 1, func() (cure, time.Duration) {
		clock.Move(c.between(-time.Minute, time.Minute))
		return func() bool { clock.Move(0); return true }, c.between(100*time.Millisecond, 10*time.Second)
	}}}
}

// redisFaults stop and freeze Redis. It is stopped in good order: what it
// acknowledged stays, as promise 1 supposes.
func (c *schedule) redisFaults() []fault {
	redis := c.stack.redis
	return []fault{
		{"Redis stops", 2, func() (cure, time.Duration) {
			redis.Stop()
			return func() bool { redis.Restart(); return true }, c.between(0, 3*time.Second)
		}},
		{"Redis freezes", 2, func() (cure, time.Duration) {
			redis.Freeze()
			return func() bool { redis.Thaw(); return true }, c.between(100*time.Millisecond, 4*time.Second)
		}},
	}
}

// weather is what Sinch does with the next calls.
func (c *schedule) weather() []fault {
	silent := map[string]any{"outcome": "none"}
	kinds := []any{
		hanging(), "hang", "hang_before", "drop", "drop_before", "reset", "reset_after", "html", "broken", "cut",
		"429", "500", "503", "throttle", "slow:1500ms", "duplicate", "reorder", "early", "none",
		map[string]any{"answer": "drop", "receipts": silent},
		map[string]any{"receipts": map[string]any{"early": true, "duplicate": true, "reorder": true}},
	}
	if c.stack.shape.api == mms {
		kinds = append(kinds, "E113", "E503")
	}
	const mostCalls = 12
	return []fault{{"moods of Sinch", 12, func() (cure, time.Duration) {
		c.stack.sim.Next(1+c.rng.IntN(mostCalls), kinds[c.rng.IntN(len(kinds))])
		return func() bool { return true }, 0
	}}}
}

// run strikes at random moments until enough says that it may end.
func (c *schedule) run(enough func() bool) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	strike := time.Now()
	for !enough() {
		next := strike
		for _, d := range c.pending {
			if d.at.Before(next) {
				next = d.at
			}
		}
		timer.Reset(time.Until(next))
		select {
		case <-timer.C:
		case <-c.t.Context().Done():
			return
		}
		c.cure(time.Now())
		if !time.Now().Before(strike) {
			c.strike()
			strike = time.Now().Add(c.between(50*time.Millisecond, 900*time.Millisecond))
		}
	}
}

// strike breaks something that is whole.
func (c *schedule) strike() {
	total := 0
	for _, t := range c.targets {
		total += t.weight()
	}
	if total == 0 {
		return
	}
	n := c.rng.IntN(total)
	for _, t := range c.targets {
		if t.broken {
			continue
		}
		for _, f := range t.faults {
			if n -= f.weight; n >= 0 {
				continue
			}
			c.counts[f.name]++
			heal, after := f.strike()
			t.broken = true
			c.pending = append(c.pending, due{time.Now().Add(after), heal, t})
			return
		}
	}
}

func (t *target) weight() int {
	if t.broken {
		return 0
	}
	total := 0
	for _, f := range t.faults {
		total += f.weight
	}
	return total
}

// cure heals what is due by then.
func (c *schedule) cure(then time.Time) {
	c.pending = slices.DeleteFunc(c.pending, func(d due) bool {
		return !then.Before(d.at) && c.heals(d)
	})
	for i, d := range c.pending {
		if !then.Before(d.at) {
			c.pending[i].at = then.Add(askAgain)
		}
	}
}

func (c *schedule) heals(d due) bool {
	if !d.cure() {
		return false
	}
	d.of.broken = false
	return true
}

// healAll ends every fault at once.
func (c *schedule) healAll() {
	c.stack.sim.ClearNext()
	harness.Await(c.t, "end of all faults", harness.Patience, func() (bool, string) {
		c.cure(time.Now().Add(time.Hour))
		return len(c.pending) == 0, fmt.Sprint(len(c.pending), " are left")
	})
}
