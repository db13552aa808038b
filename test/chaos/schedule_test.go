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

// fault breaks a part of the installation. inject returns the repair and its delay.
type fault struct {
	name   string
	weight int
	inject func() (repair repair, after time.Duration)
}

// repair ends a fault; false: not possible yet.
type repair func() bool

// retryRepair is the delay before a repair that was not possible yet is tried again.
const retryRepair = 100 * time.Millisecond

// target is a part of the installation that has one fault at a time.
type target struct {
	name   string
	faults []fault
	broken bool
}

// due is a repair with its time.
type due struct {
	at     time.Time
	repair repair
	of     *target
}

// schedule breaks an installation and repairs it again. It runs in the goroutine
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
	c.aim("responses of Sinch", c.providerFaults()...)
	return c
}

func (c *schedule) aim(name string, faults ...fault) {
	c.targets = append(c.targets, &target{name: name, faults: faults})
}

// between draws a random duration.
func (c *schedule) between(least, most time.Duration) time.Duration {
	return least + time.Duration(c.rng.Int64N(int64(most-least)+1))
}

// processFaults kill, freeze or stop a process.
func (c *schedule) processFaults(p *process, weight int, longestFreeze time.Duration) []fault {
	restart := func() bool { p.Start(); return true }
	return []fault{
		{"kills", weight, func() (repair, time.Duration) {
			p.Kill()
			return restart, c.between(0, 3*time.Second)
		}},
		{"freezes", weight, func() (repair, time.Duration) {
			p.Freeze()
			return func() bool { p.Thaw(); return true }, c.between(200*time.Millisecond, longestFreeze)
		}},
		{"terminations", 1, func() (repair, time.Duration) {
			p.Signal(syscall.SIGTERM)
			signaled := time.Now()
			return func() bool {
				if p.Running() && time.Since(signaled) < harness.Graceful {
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
// longer would count as not sent, as docs/promises.md states.
const longestStall = 4 * time.Second

// lineFaults interrupt a connection.
func (c *schedule) lineFaults(l *harness.Link, weight int) []fault {
	restore := func() bool { l.Repair(); return true }
	return []fault{
		{"partitions", weight, func() (repair, time.Duration) {
			l.Sever()
			return restore, c.between(100*time.Millisecond, longestStall)
		}},
		{"stalls", weight, func() (repair, time.Duration) {
			l.Stall()
			return restore, c.between(100*time.Millisecond, longestStall)
		}},
		{"lost answers", weight, func() (repair, time.Duration) {
			l.Silence()
			return func() bool { l.Reset(); return restore() }, c.between(10*time.Millisecond, longestStall)
		}},
		{"resets", weight, func() (repair, time.Duration) { l.Reset(); return restore, 0 }},
	}
}

// clockFaults move a clock and correct it again, by up to a minute each time.
func (c *schedule) clockFaults(clock *redistest.Offset) []fault {
	return []fault{{"clock jumps", 1, func() (repair, time.Duration) {
		clock.Move(c.between(-time.Minute, time.Minute))
		return func() bool { clock.Move(0); return true }, c.between(100*time.Millisecond, 10*time.Second)
	}}}
}

// redisFaults stop and freeze Redis. It is stopped with SIGTERM, so that acknowledged
// writes are kept, as the first promise of docs/promises.md presumes.
func (c *schedule) redisFaults() []fault {
	redis := c.stack.redis
	return []fault{
		{"Redis stops", 2, func() (repair, time.Duration) {
			redis.Stop()
			return func() bool { redis.Restart(); return true }, c.between(0, 3*time.Second)
		}},
		{"Redis freezes", 2, func() (repair, time.Duration) {
			redis.Freeze()
			return func() bool { redis.Thaw(); return true }, c.between(100*time.Millisecond, 4*time.Second)
		}},
	}
}

// providerFaults change how the simulator responds to the next calls.
func (c *schedule) providerFaults() []fault {
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
	return []fault{{"behaviours of Sinch", 12, func() (repair, time.Duration) {
		c.stack.sim.Next(1+c.rng.IntN(mostCalls), kinds[c.rng.IntN(len(kinds))])
		return func() bool { return true }, 0
	}}}
}

// run injects faults at random moments until enough reports true.
func (c *schedule) run(enough func() bool) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	injection := time.Now()
	for !enough() {
		next := injection
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
		c.repairDue(time.Now())
		if !time.Now().Before(injection) {
			c.inject()
			injection = time.Now().Add(c.between(50*time.Millisecond, 900*time.Millisecond))
		}
	}
}

// inject breaks a target that has no fault.
func (c *schedule) inject() {
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
			repair, after := f.inject()
			t.broken = true
			c.pending = append(c.pending, due{time.Now().Add(after), repair, t})
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

// repairDue ends the faults whose repair is due by then.
func (c *schedule) repairDue(then time.Time) {
	c.pending = slices.DeleteFunc(c.pending, func(d due) bool {
		return !then.Before(d.at) && c.repaired(d)
	})
	for i, d := range c.pending {
		if !then.Before(d.at) {
			c.pending[i].at = then.Add(retryRepair)
		}
	}
}

func (c *schedule) repaired(d due) bool {
	if !d.repair() {
		return false
	}
	d.of.broken = false
	return true
}

// repairAll ends every fault at once.
func (c *schedule) repairAll() {
	c.stack.sim.ClearNext()
	harness.Await(c.t, "end of all faults", harness.Patience, func() (bool, string) {
		c.repairDue(time.Now().Add(time.Hour))
		return len(c.pending) == 0, fmt.Sprint(len(c.pending), " are left")
	})
}
