package chaos_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

// audit compares the responses that callers got with the ledger and with the calls
// that Sinch has accepted.
type audit struct {
	t     *testing.T
	stack *stack
	ids   map[string]string // by reference, from the responses to callers

	mu    sync.Mutex
	last  map[string]resource // by id
	found map[string]error    // by reference: why it could not be found
}

// readers is the number of concurrent lookups.
const readers = 8

// pollPause is between two looks at what is awaited.
const pollPause = 200 * time.Millisecond

// inParallel calls do for each element, several at a time.
func inParallel[T any](all []T, do func(T)) {
	work := make(chan T)
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for one := range work {
				do(one)
			}
		})
	}
	for _, one := range all {
		work <- one
	}
	close(work)
	wg.Wait()
}

// isFinal reports whether a message may stay in a status without an operator's action.
func isFinal(api, status string) bool {
	switch status {
	case "sent", "delivered", "undelivered", "failed", "expired", "canceled":
		return true
	case "unknown": // is resolved where Sinch can be queried
		return api == mms
	default:
		return false
	}
}

// awaitFinal waits until every message is in a final status, and returns how long
// that took.
func (a *audit) awaitFinal(atMost time.Duration) time.Duration {
	a.t.Helper()
	begin := time.Now()
	open := slices.Collect(maps.Values(a.ids))
	for len(open) > 0 {
		if time.Since(begin) > atMost {
			a.t.Errorf("%d messages have no final status after %s:", len(open), atMost)
			for _, id := range open[:min(len(open), 5)] {
				a.t.Errorf("  %s, and Sinch saw %+v", a.last[id], a.stack.sim.Calls(id))
			}
			break
		}
		open = a.stillOpen(open)
		select {
		case <-time.After(pollPause):
		case <-a.t.Context().Done():
			return 0
		}
	}
	return time.Since(begin)
}

func (a *audit) stillOpen(ids []string) []string {
	var open []string
	inParallel(ids, func(id string) {
		r, err := a.stack.get(a.t.Context(), a.stack.apis[0], id)
		a.mu.Lock()
		defer a.mu.Unlock()
		if err == nil {
			a.last[id] = r
		}
		if err != nil || !isFinal(a.stack.shape.api, r.Status) {
			open = append(open, id)
		}
	})
	return open
}

// verdict is the result of a run.
type verdict struct {
	messages, delivered, sent, unknown, failed int
	doubles, lost, strangers, contradictions   int

	notSent map[string]int // unknown ones that Sinch does not have, by their detail in the ledger
}

// verify reads every message once more, by id and by reference.
func (a *audit) verify(ctx context.Context) verdict {
	a.t.Helper()
	inParallel(slices.Collect(maps.Keys(a.ids)), func(reference string) {
		err := a.lookUp(ctx, reference)
		for end := time.Now().Add(harness.Patience); err != nil && time.Now().Before(end); err = a.lookUp(ctx, reference) {
			select { // a busy storage does not answer now and then
			case <-time.After(pollPause):
			case <-ctx.Done():
			}
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if err != nil {
			a.found[reference] = err
		}
	})
	v := verdict{messages: len(a.ids), lost: len(a.found), notSent: map[string]int{}}
	for reference, err := range a.found {
		a.t.Errorf("%s was accepted and is lost: %v", reference, err)
	}
	accepted := a.stack.sim.AcceptedBy("message")
	known := map[string]bool{}
	for _, id := range a.ids {
		known[id] = true
		a.count(&v, a.last[id], accepted[id])
	}
	for id, n := range accepted {
		if n > 1 {
			v.doubles++
			a.t.Errorf("Sinch accepted %d calls for %s: %+v", n, a.last[id], a.stack.sim.Calls(id))
		}
		if !known[id] {
			v.strangers++
			a.t.Errorf("Sinch accepted %s, which no caller knows", id)
		}
	}
	return v
}

// lookUp finds one message by its reference and by its id.
func (a *audit) lookUp(ctx context.Context, reference string) error {
	id := a.ids[reference]
	list, err := a.stack.find(ctx, a.stack.apis[0], reference)
	if err != nil {
		return err
	}
	if len(list) != 1 || list[0].ID != id {
		return fmt.Errorf("found %v, want %s alone", list, id)
	}
	r, err := a.stack.get(ctx, a.stack.apis[len(a.stack.apis)-1], id)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last[id] = r
	return nil
}

// count adds a message and checks that its status agrees with Sinch's count.
func (a *audit) count(v *verdict, r resource, accepted int) {
	honest := accepted == 1
	switch r.Status {
	case "delivered":
		v.delivered++
	case "sent":
		v.sent++
	case "unknown":
		v.unknown++
		honest = accepted <= 1
		if accepted == 0 {
			v.notSent[r.Timeline[len(r.Timeline)-1].Detail]++
		}
	default: // no message here is refused permanently, expires or is canceled
		v.failed++
		honest = false
	}
	if !honest && accepted <= 1 {
		v.contradictions++
		a.t.Errorf("%s, and Sinch accepted %d calls: %+v", r, accepted, a.stack.sim.Calls(r.ID))
	}
}
