package dispatch

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"mmsdispatch/internal/message"
)

// Slots are how many calls a worker makes at once.
type Slots struct {
	High   int // of the lane high
	Shared int // of the other lanes
	Test   int // of test messages, in any lane
}

const (
	// slowCall is how long a call takes that counts as slow.
	slowCall = time.Second
	// slotPatience is how long a task waits for a slot before it goes back to its queue.
	slotPatience = 2 * time.Second
	// othersFor is how long a tenant counts as one of those that want slots after its
	// latest task.
	othersFor = 5 * time.Second
	// turnedAwayPause is how long the task of a tenant that has its slots holds its place
	// among the running tasks: it bounds how many of them are tried in vain.
	turnedAwayPause = 20 * time.Millisecond
	// reservedPart of the slots is kept from a tenant whose calls are slow, also while no
	// other tenant wants one: they are there when one does.
	reservedPart = 8
)

// slots are those of one group of lanes. A tenant whose calls are slow has half of
// them at most while other tenants want some.
type slots struct {
	all int
	now func() time.Time

	mu      sync.Mutex
	taken   int
	tenants map[string]*slotsOfTenant
	freed   chan struct{} // closed when a slot is given back; nil: no task waits
}

type slotsOfTenant struct {
	begun  map[*slot]time.Time
	wanted time.Time // when its latest task requested a slot
}

// slot is a place for one call.
type slot struct {
	of     *slots
	tenant string
}

func newSlots(n int) *slots {
	return &slots{all: n, now: time.Now, tenants: make(map[string]*slotsOfTenant)}
}

// acquire waits a short while for a slot. The error is a *laterError.
func (s *slots) acquire(ctx context.Context, tenant string) (*slot, error) {
	patience := time.NewTimer(slotPatience)
	defer patience.Stop()
	for {
		got, over, freed := s.try(tenant)
		if got != nil {
			return got, nil
		}
		if over {
			select {
			case <-ctx.Done():
			case <-time.After(turnedAwayPause):
			}
			return nil, later(slotPatience/4+rand.N(slotPatience), "slow calls of the tenant have their slots") //nolint:gosec // no secret
		}
		select {
		case <-freed:
		case <-patience.C:
			return nil, later(0, "all slots are in use")
		case <-ctx.Done():
			return nil, later(time.Second, "the task's time is over")
		}
	}
}

// try takes a slot. over reports that the tenant has as many as it may; else freed
// is closed when the next one is given back.
func (s *slots) try(tenant string) (got *slot, over bool, freed chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	own := s.tenants[tenant]
	if own == nil {
		own = &slotsOfTenant{begun: make(map[*slot]time.Time)}
		s.tenants[tenant] = own
	}
	own.wanted = now
	if len(own.begun) >= s.most(tenant, own, now) {
		return nil, true, nil
	}
	if s.taken >= s.all {
		if s.freed == nil {
			s.freed = make(chan struct{})
		}
		return nil, false, s.freed
	}
	got = &slot{of: s, tenant: tenant}
	own.begun[got] = now
	s.taken++
	return got, false, nil
}

// most is how many slots a tenant may have.
func (s *slots) most(tenant string, own *slotsOfTenant, now time.Time) int {
	half := max(1, s.all/2)
	if len(own.begun) < half || !own.slow(now, s.all) {
		return s.all + 1 // it waits like any other
	}
	for name, other := range s.tenants {
		switch {
		case name == tenant:
		case len(other.begun) > 0 || now.Sub(other.wanted) < othersFor:
			return half
		default:
			delete(s.tenants, name)
		}
	}
	return max(half, s.all-max(1, s.all/reservedPart))
}

// slow reports whether a quarter of all slots has calls of the tenant that take
// long.
func (t *slotsOfTenant) slow(now time.Time, all int) bool {
	n := 0
	for _, begun := range t.begun {
		if now.Sub(begun) >= slowCall {
			n++
		}
	}
	const part = 4
	return n >= max(1, all/part)
}

// release gives the slot back.
func (p *slot) release() {
	s := p.of
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tenants[p.tenant].begun, p)
	s.taken--
	if s.freed != nil {
		close(s.freed)
		s.freed = nil
	}
}

// slotsOf are the slots for the call of a message.
func (h *Handler) slotsOf(m *message.Message) *slots {
	switch {
	case m.Scope.Test:
		return h.testSlots
	case m.Content.Priority == message.High:
		return h.highSlots
	default:
		return h.sharedSlots
	}
}

// inUse is how many slots are taken.
func (s *slots) inUse() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

// Calls is how many slots have a call now.
func (h *Handler) Calls() int {
	return h.highSlots.inUse() + h.sharedSlots.inUse() + h.testSlots.inUse()
}
