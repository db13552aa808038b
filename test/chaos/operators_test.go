package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"mmsdispatch/internal/apikey"
	"mmsdispatch/internal/operator"
	pauses "mmsdispatch/internal/pause"
	"mmsdispatch/test/harness"
)

// pauseInForce is when no call of a paused scope begins any more.
const pauseInForce = 2 * time.Second

// TestChaosOfOperators kills workers and apis while an operator pauses, changes the
// pace and rotates the key of the callers. Nothing is lost or doubled, and no call of
// a paused scope begins later than the pause is in force.
func TestChaosOfOperators(t *testing.T) {
	t.Parallel()
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-chaos.seed=%d -chaos.for=%s", seed, *chaosFor)
	const (
		leastMessages, leastPauses = 500, 3
		second                     = "+12065550177"
	)
	s := start(t, shape{api: mms, apis: 2, workers: 3, env: map[string]string{"SINCH_SENDERS": second, "SINCH_RATE": "200"}})
	s.sim.Order(http.MethodPut, "/sim/default", "slow:150ms") // so that workers die with calls under way
	ctx, cancel := context.WithTimeout(t.Context(), *chaosFor+2*recovery)
	defer cancel()
	open, closeShop := context.WithCancel(ctx)
	defer closeShop()

	o := newOperators(s, seed, second)
	o.rotate(ctx)
	load := o.callers(ctx, open)
	o.run(open)
	plan := &schedule{t: t, stack: s, counts: map[string]int{}, rng: rand.New(rand.NewPCG(seed, seed))}
	for _, p := range s.processes() {
		faults := plan.processFaults(p, 3, time.Second)
		plan.aim(p.Name, faults[0], faults[2]) // kills and terminations: a frozen process sends what it has begun when it goes on
	}
	end := time.Now().Add(*chaosFor)
	plan.run(func() bool {
		return time.Now().After(end) && o.count() >= leastMessages && o.pauseCount() >= leastPauses || ctx.Err() != nil
	})

	closeShop()
	o.wg.Wait()
	plan.repairAll()
	s.awaitReady()
	load.Wait()
	for _, fault := range o.faults {
		t.Error(fault)
	}
	a := &audit{t: t, stack: s, ids: o.taken, last: map[string]resource{}, found: map[string]error{}}
	recovered := a.awaitFinal(recovery)
	v := a.verify(ctx)
	begins := o.check(ctx)
	t.Logf("%d messages, %d begins checked against %d pauses, %d keys, %d changes of the pace; faults %v; doubles %d, lost %d, unknown %d, delivered %d; settled after %s",
		v.messages, begins, len(o.pauses), o.keys, o.rates, plan.counts, v.doubles, v.lost, v.unknown, v.delivered, recovered.Round(time.Millisecond))
}

// pausing is a pause that was in force.
type pausing struct {
	scope    pauses.Scope
	from, to time.Time
}

// operators change things while an installation breaks.
type operators struct {
	stack  *stack
	acts   *operator.Operator
	second string // a sender beside the first
	seed   uint64
	key    atomic.Pointer[string] // of the callers
	keyID  string
	keys   int
	rates  int
	made   atomic.Int64
	wg     sync.WaitGroup

	mu     sync.Mutex
	pauses []pausing
	taken  map[string]string // message id by reference, which names lane and sender
	faults []string
}

func newOperators(s *stack, seed uint64, second string) *operators {
	return &operators{
		stack: s, acts: operator.New(s.redis.Client(s.t), "chaos", operator.FromCtl), second: second, seed: seed, taken: map[string]string{},
	}
}

func (o *operators) faultf(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.faults = append(o.faults, fmt.Sprintf(format, args...))
}

func (o *operators) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.taken)
}

func (o *operators) pauseCount() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.pauses)
}

// run starts the operator of the pauses and the one of pace and keys.
func (o *operators) run(open context.Context) {
	o.wg.Go(func() {
		rng := rand.New(rand.NewPCG(o.seed, 1))
		for open.Err() == nil {
			o.pause(open, rng)
			pauseFor(open, rng, 200*time.Millisecond, time.Second)
		}
	})
	o.wg.Go(func() {
		rng := rand.New(rand.NewPCG(o.seed, 2))
		for open.Err() == nil {
			pauseFor(open, rng, 500*time.Millisecond, 2*time.Second)
			o.rotate(context.WithoutCancel(open))
			o.changeRate(context.WithoutCancel(open), 50+float64(rng.IntN(300)))
		}
		if err := o.acts.ResetRate(context.WithoutCancel(open), ""); err != nil {
			o.faultf("reset the pace: %v", err)
		}
	})
}

func pauseFor(ctx context.Context, rng *rand.Rand, least, most time.Duration) {
	pause(ctx, least+time.Duration(rng.Int64N(int64(most-least))))
}

// scopes are what is paused: each covers some of the messages, or all.
func (o *operators) scopes() []pauses.Scope {
	var scopes []pauses.Scope
	add := func(scope pauses.Scope, err error) {
		if err != nil {
			o.faultf("%v", err)
		}
		scopes = append(scopes, scope)
	}
	for _, lane := range []string{"high", "normal", "bulk"} {
		add(pauses.Lane(lane))
	}
	add(pauses.Sender(o.second))
	add(pauses.Tenant("acme"))
	add(pauses.All, nil)
	return scopes
}

// pause pauses a scope for longer than it takes to be in force.
func (o *operators) pause(open context.Context, rng *rand.Rand) {
	scopes := o.scopes()
	scope, ctx := scopes[rng.IntN(len(scopes))], context.WithoutCancel(open)
	if err := o.acts.Pause(ctx, scope, "fault run"); err != nil {
		o.faultf("pause %s: %v", scope, err)
		return
	}
	p := pausing{scope: scope, from: time.Now()}
	pauseFor(open, rng, pauseInForce+500*time.Millisecond, 2*pauseInForce)
	p.to = time.Now()
	if _, err := o.acts.Resume(ctx, scope, ""); err != nil {
		o.faultf("resume %s: %v", scope, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pauses = append(o.pauses, p)
}

func (o *operators) changeRate(ctx context.Context, perSecond float64) {
	o.rates++
	if err := o.acts.SetRate(ctx, perSecond, "fault run"); err != nil {
		o.faultf("set the pace: %v", err)
	}
}

// rotate gives the callers another key and ends the one before at once.
func (o *operators) rotate(ctx context.Context) {
	key, info, err := o.acts.CreateKey(ctx, apikey.Settings{Tenant: "acme", Scopes: apikey.AllScopes})
	if err != nil {
		o.faultf("create a key: %v", err)
		return
	}
	o.keys++
	o.key.Store(&key)
	if o.keyID != "" {
		if err := o.acts.RevokeKey(ctx, o.keyID); err != nil {
			o.faultf("revoke a key: %v", err)
		}
	}
	o.keyID = info.ID
}

// callers hand messages over until open ends; each insists until it is accepted.
func (o *operators) callers(ctx, open context.Context) *sync.WaitGroup {
	const callers, perSecond = 16, 100
	pace := rate.NewLimiter(perSecond, 1)
	var wg sync.WaitGroup
	for n := range callers {
		rng := rand.New(rand.NewPCG(o.seed, uint64(100+n)))
		wg.Go(func() {
			for pace.Wait(open) == nil {
				o.insist(ctx, rng)
			}
		})
	}
	return &wg
}

// insist repeats a message until it is accepted, with the key of the moment: the
// one before may have ended on the way.
func (o *operators) insist(ctx context.Context, rng *rand.Rand) {
	lane := []string{"high", "normal", "bulk"}[rng.IntN(3)]
	sender := []string{"first", "second"}[rng.IntN(2)]
	reference := fmt.Sprintf("%s-%s-%d", lane, sender, o.made.Add(1))
	m := map[string]string{
		"to": numberPool.Next(), "text": "Your order has left.", "mediaUrl": "https://media.example.com/photo.jpg",
		"clientReference": reference, "priority": lane,
	}
	if sender == "second" {
		m["from"] = o.second
	}
	for {
		api := o.stack.apis[rng.IntN(len(o.stack.apis))]
		got, err := o.stack.client.Do(ctx, http.MethodPost, api.base+"/v1/messages", m, harness.Bearer(*o.key.Load()))
		switch {
		case err == nil && (got.Status == http.StatusAccepted || got.Status == http.StatusOK):
			var r resource
			if err := json.Unmarshal(got.Body, &r); err != nil {
				o.faultf("%s was answered %s", reference, got)
			}
			o.mu.Lock()
			o.taken[reference] = r.ID
			o.mu.Unlock()
			return
		case err == nil && got.Status != http.StatusServiceUnavailable && got.Status != http.StatusUnauthorized:
			o.faultf("%s was answered %s", reference, got)
			return
		case ctx.Err() != nil:
			o.faultf("%s was never accepted: %s %v", reference, got, err)
			return
		}
		pauseFor(ctx, rng, 50*time.Millisecond, 300*time.Millisecond)
	}
}

// covers reports whether a pause holds the message of a reference.
func (p pausing) covers(reference string) bool {
	lane, rest, _ := strings.Cut(reference, "-")
	switch {
	case strings.HasPrefix(string(p.scope), "lane:"):
		return string(p.scope) == "lane:"+lane
	case strings.HasPrefix(string(p.scope), "sender:"):
		return strings.HasPrefix(rest, "second-")
	default:
		return true
	}
}

// check looks for begins in the time of a pause and returns how many there were in
// all.
func (o *operators) check(ctx context.Context) int {
	var begins atomic.Int64
	references := make([]string, 0, len(o.taken))
	for reference := range o.taken {
		references = append(references, reference)
	}
	inParallel(references, func(reference string) {
		at, err := o.begins(ctx, o.taken[reference])
		if err != nil {
			o.stack.t.Errorf("%s: %v", reference, err)
		}
		begins.Add(int64(len(at)))
		for _, begun := range at {
			for _, p := range o.pauses {
				if p.covers(reference) && begun.After(p.from.Add(pauseInForce)) && begun.Before(p.to) {
					o.stack.t.Errorf("a call for %s began %s after %s was paused", reference, begun.Sub(p.from), p.scope)
				}
			}
		}
	})
	return int(begins.Load())
}

// begins are when the calls of a message began.
func (o *operators) begins(ctx context.Context, id string) ([]time.Time, error) {
	got, err := o.stack.call(ctx, o.stack.apis[0], http.MethodGet, "/v1/messages/"+id, nil)
	if err != nil {
		return nil, err
	}
	var m struct {
		Timeline []struct {
			At     time.Time
			Status string
		}
	}
	if err := json.Unmarshal(got.Body, &m); err != nil {
		return nil, err
	}
	var at []time.Time
	for _, e := range m.Timeline {
		if e.Status == "sending" {
			at = append(at, e.At)
		}
	}
	return at, nil
}
