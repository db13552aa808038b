package saved

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"mmsdispatch/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }

const grace = 5 * time.Second

// events counts what becomes of templates.
type events struct {
	mu     sync.Mutex
	counts map[string]int
}

func (e *events) Saved(event string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.counts[event]++
}

// bench is one template and the processes that use it.
type bench struct {
	*Store

	t      *testing.T
	rdb    *redis.Client
	key    Key
	events *events

	mu  sync.Mutex
	now time.Time
}

func setup(t *testing.T) *bench {
	t.Helper()
	b := &bench{
		t: t, rdb: redistest.Shared(t).Client(t), key: NewKey("mms", "hello"), events: &events{counts: map[string]int{}},
		now: time.UnixMilli(1_772_366_400_000).UTC(),
	}
	b.Store = b.process()
	return b
}

// process is one more process on the same Redis.
func (b *bench) process() *Store {
	s := NewStore(b.rdb, b.events, nil)
	s.nowFunc = func() time.Time {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.now
	}
	return s
}

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want checks the state of the template for a process with an empty cache.
func (b *bench) want(state State, id string) Template {
	b.t.Helper()
	got, err := b.process().Lookup(b.t.Context(), b.key)
	must(b.t, err)
	if got.State != state || state == Ready && got.ID != id {
		b.t.Fatalf("%+v, want %q of %q", got, state, id)
	}
	return got
}

func (b *bench) claim() Claim {
	b.t.Helper()
	c, won, err := b.Claim(b.t.Context(), b.key, time.Minute)
	must(b.t, err)
	if !won {
		b.t.Fatal("not claimed")
	}
	return c
}

// save takes the template to where Sinch has it under id.
func (b *bench) save(id string) {
	b.t.Helper()
	must(b.t, b.Saved(b.t.Context(), b.claim(), id, grace))
}

func (b *bench) report(ref, id string, ready bool) bool {
	b.t.Helper()
	known, err := b.Report(b.t.Context(), ref, id, ready)
	must(b.t, err)
	return known
}

func (b *bench) counted(want map[string]int) {
	b.t.Helper()
	b.events.mu.Lock()
	defer b.events.mu.Unlock()
	if !maps.Equal(b.events.counts, want) {
		b.t.Errorf("events (-want +got):\n%s", cmp.Diff(want, b.events.counts))
	}
}

// TestOneOfManySaves: of all processes that find a template absent at the same
// moment, one may save it.
func TestOneOfManySaves(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var wg sync.WaitGroup
	wins := make(chan Claim, 100)
	for range 10 {
		process := b.process()
		for range 5 {
			wg.Go(func() {
				c, won, err := process.Claim(t.Context(), b.key, time.Minute)
				if err != nil {
					t.Error(err)
				}
				if won {
					wins <- c
				}
			})
		}
	}
	wg.Wait()
	if len(wins) != 1 {
		t.Fatalf("%d may save it", len(wins))
	}
	b.want(Saving, "")
	must(t, b.Saved(t.Context(), <-wins, "35674", grace))
	b.want(Waiting, "")
}

func TestReadyWhenSinchSaysSo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.save("1")
	b.want(Waiting, "")
	if b.report(b.key.Ref(), "2", true) {
		t.Error("a report about another id counts")
	}
	b.want(Waiting, "")
	for range 2 { // reports may come twice
		if !b.report(b.key.Ref(), "1", true) {
			t.Error("the report is unknown")
		}
		b.want(Ready, "1")
	}
	b.counted(map[string]int{EventSaved: 1, EventReady: 1})
}

func TestReportWithoutOurReference(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.save("1")
	for _, ref := range []string{"", "foreign", refPrefix, refPrefix + "x"} {
		if b.report(ref, "7", true) || b.report(ref, "", true) {
			t.Errorf("reference %q with another id is known", ref)
		}
	}
	b.want(Waiting, "")
	if !b.report("", "1", true) {
		t.Error("unknown")
	}
	b.want(Ready, "1")
}

func TestReportBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	t.Run("ready", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.claim()
		b.report(b.key.Ref(), "1", true)
		b.want(Ready, "1")
		must(t, b.Saved(t.Context(), c, "1", grace))
		b.want(Ready, "1")
	})
	t.Run("spoilt", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		c := b.claim()
		b.report(b.key.Ref(), "1", false)
		b.want(Absent, "")
		must(t, b.Saved(t.Context(), c, "1", grace))
		b.want(Absent, "")
		c = b.claim()
		b.report(b.key.Ref(), "1", false) // again, while the second one is being saved
		b.want(Saving, "")
		must(t, b.Saved(t.Context(), c, "2", grace))
		b.want(Waiting, "")
	})
}

func TestReadyWithoutAReport(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.save("1")
	b.pass(grace - time.Millisecond)
	b.want(Waiting, "")
	b.pass(time.Millisecond)
	b.want(Ready, "1")
}

// TestSpoiltOnceIsSavedAgain, and done without the second time.
func TestSpoiltOnceIsSavedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.save("1")
	b.report(b.key.Ref(), "1", false)
	b.want(Absent, "")
	b.save("2")
	b.report("", "2", false)
	b.want(Plain, "")
	if ttl := b.rdb.PTTL(t.Context(), prefix+string(b.key)).Val(); ttl <= 0 || ttl > PlainFor {
		t.Errorf("for %s", ttl)
	}
	if _, won, err := b.Claim(t.Context(), b.key, time.Minute); won || err != nil {
		t.Errorf("saved a third time: %v", err)
	}
	b.counted(map[string]int{EventSaved: 2, EventSpoilt: 2, EventPlain: 1})
}

// TestGoneIsRecordedOnce, though many requests get the same response.
func TestGoneIsRecordedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.save("1")
	b.report("", "1", true)
	for range 3 {
		must(t, b.process().Gone(t.Context(), b.key, "1"))
	}
	b.want(Absent, "")
	b.save("2")
	must(t, b.Gone(t.Context(), b.key, "1"))
	b.want(Waiting, "")
	must(t, b.Gone(t.Context(), b.key, "2"))
	b.want(Plain, "")
	b.counted(map[string]int{EventSaved: 2, EventReady: 1, EventGone: 2, EventPlain: 1})
}

func TestNotReadyWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.save("1")
	b.pass(grace)
	b.want(Ready, "1")
	for range 3 {
		must(t, b.NotReady(t.Context(), b.key, "1", grace))
	}
	b.want(Waiting, "")
	b.pass(grace)
	b.want(Ready, "1")
	b.pass(waitMax)
	must(t, b.NotReady(t.Context(), b.key, "1", grace))
	b.want(Plain, "")
	b.counted(map[string]int{EventSaved: 1, EventNotReady: 2, EventPlain: 1})
}

func TestClaimIsGivenBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	must(t, b.Release(t.Context(), b.claim()))
	b.want(Absent, "")
	late := b.claim()
	must(t, b.Avoid(t.Context(), late, time.Second))
	b.want(Plain, "")
	must(t, b.rdb.Del(t.Context(), prefix+string(b.key)).Err()) // it ran out
	b.claim()
	for _, err := range []error{ // the previous claim has ended
		b.Saved(t.Context(), late, "1", grace), b.Avoid(t.Context(), late, time.Second), b.Release(t.Context(), late),
	} {
		must(t, err)
	}
	b.want(Saving, "")
}

// TestClaimRunsOut: whoever saves may die, or be late.
func TestClaimRunsOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.claim()
	must(t, b.rdb.Del(t.Context(), prefix+string(b.key)).Err())
	b.want(Absent, "")
	must(t, b.Saved(t.Context(), c, "1", grace))
	b.want(Waiting, "")
}

func TestReadyTemplateCostsNoQuestion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.save("1")
	b.report("", "1", true)
	if got, err := b.Lookup(t.Context(), b.key); err != nil || got.State != Ready {
		t.Fatalf("%+v, %v", got, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := b.Lookup(gone, b.key); err != nil || got.ID != "1" {
		t.Errorf("%+v, %v", got, err)
	}
	must(t, b.Gone(t.Context(), b.key, "1"))
	if got, err := b.Lookup(t.Context(), b.key); err != nil || got.State != Absent {
		t.Errorf("the cached record outlives the change: %+v, %v", got, err)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	m, now := newCache(), time.Unix(0, 0)
	for i := range 3 * cacheMax {
		m.put(NewKey("k", string(rune(i))), Template{State: Ready}, now)
	}
	if len(m.known) > cacheMax {
		t.Errorf("%d", len(m.known))
	}
	m.put(NewKey("new"), Template{State: Ready, ID: "1"}, now.Add(time.Minute))
	if got, ok := m.get(NewKey("new"), now.Add(time.Minute)); !ok || got.ID != "1" {
		t.Errorf("%+v, %t", got, ok)
	}
}

func TestPauseGrows(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	for took, want := range map[time.Duration]time.Duration{
		-time.Second: time.Second, 0: time.Second, 20 * time.Second: 5 * time.Second, time.Hour: 15 * time.Second,
	} {
		if got := (Template{Since: now.Add(-took)}).Pause(now); got != want {
			t.Errorf("after %s: %s, want %s", took, got, want)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	all := []Key{NewKey("a", "b"), NewKey("ab"), NewKey("a", "", "b"), NewKey("a", "b", ""), NewKey("b", "a"), NewKey()}
	seen := map[Key]bool{}
	for _, key := range all {
		if seen[key] || len(key.Ref()) > 64 {
			t.Errorf("%s", key)
		}
		seen[key] = true
		if got, ok := parseRef(key.Ref()); !ok || got != key {
			t.Errorf("%s: %s, %t", key.Ref(), got, ok)
		}
	}
}

func TestWithoutRedis(t *testing.T) {
	t.Parallel()
	b := setup(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Lookup(gone, b.key); err == nil {
		t.Error("no error")
	}
	if _, won, err := b.Claim(gone, b.key, time.Minute); won || err == nil {
		t.Errorf("%t, %v", won, err)
	}
	if _, err := b.Report(gone, b.key.Ref(), "1", true); err == nil {
		t.Error("no error")
	}
}
