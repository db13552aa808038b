package jobs

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"mmsdispatch/internal/jobs/dispatch"
	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/jobs/recovery"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/throttle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }

// fakeSinch answers calls by its script and counts them.
type fakeSinch struct {
	mu     sync.Mutex
	calls  map[string]int
	answer func(call int, m sinch.Message) message.Outcome
	find   func(ref string) (string, bool, error)
}

func (f *fakeSinch) Send(_ context.Context, m sinch.Message) message.Outcome {
	id, _, _ := message.ParseAttemptRef(m.Ref)
	f.mu.Lock()
	f.calls[string(id)]++
	call := f.calls[string(id)]
	f.mu.Unlock()
	return f.answer(call, m)
}

func (*fakeSinch) Origin() sinch.Origin {
	return sinch.Origin{API: "fake", BaseURL: "http://127.0.0.1"}
}

func (f *fakeSinch) count(id message.ID) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[string(id)]
}

func (f *fakeSinch) For(*message.Message) sinch.Provider {
	if f.find != nil {
		return findable{f}
	}
	return f
}

type findable struct{ *fakeSinch }

func (f findable) Find(_ context.Context, c sinch.Call) (string, bool, error) {
	return f.find(c.Ref)
}

// open permits every call.
type open struct{}

func (open) Acquire(context.Context, *message.Message) (*throttle.Permit, error) {
	return &throttle.Permit{}, nil
}

type counted struct{ recovered sync.Map }

func (*counted) Attempt(string, string, time.Duration)                          {}
func (*counted) Concluded(string, message.Lane, message.Outcome, time.Duration) {}
func (*counted) Swept(error)                                                    {}
func (c *counted) Recovered(kind string) {
	n, _ := c.recovered.LoadOrStore(kind, new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
}

func (c *counted) of(kind string) int64 {
	n, ok := c.recovered.Load(kind)
	if !ok {
		return 0
	}
	return n.(*atomic.Int64).Load()
}

type bench struct {
	rdb     *redis.Client
	ledger  *ledger.Ledger
	queue   *queue.Queue
	sinch   *fakeSinch
	optOuts *fakeOptOuts
	metrics *counted
	opts    Options
}

func setup(t *testing.T) *bench {
	t.Helper()
	return setupOn(t, redistest.Shared(t).Client(t))
}

func setupOn(t *testing.T, rdb *redis.Client) *bench {
	t.Helper()
	l, err := ledger.New(rdb, ledger.Options{
		RecordTTL: time.Hour, OptOutKey: optOutKey,
		Checks: ledger.Checks{Accepted: time.Millisecond, Waiting: time.Second, Calling: time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{rdb: rdb, ledger: l, queue: queue.New(rdb, 5*time.Second), metrics: &counted{}, optOuts: &fakeOptOuts{rdb: rdb}}
	b.sinch = &fakeSinch{calls: make(map[string]int), answer: func(int, sinch.Message) message.Outcome {
		return message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T1"}
	}}
	b.opts = Options{
		Redis: rdb, Ledger: l, Limiter: open{}, Providers: b.sinch, OptOuts: b.optOuts,
		Metrics: b.metrics, Log: zerolog.Nop(), AsynqLog: quiet{},
		Concurrency: 8, Shutdown: 5 * time.Second, Timing: dispatch.Timing{Call: time.Second, Task: 5 * time.Second},
		Backoff:  dispatch.Backoff{Max: 2, Base: time.Millisecond, Cap: 2 * time.Millisecond},
		Recovery: recovery.Policy{Unknown: recovery.Hold, LookupWindow: 50 * time.Millisecond},
	}
	return b
}

type quiet struct{}

func (quiet) Debug(...any) {}
func (quiet) Info(...any)  {}
func (quiet) Warn(...any)  {}
func (quiet) Error(...any) {}
func (quiet) Fatal(...any) {}

func (b *bench) run(t *testing.T) *Runner {
	t.Helper()
	r := NewRunner(b.opts)
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		r.Stop(ctx)
	})
	return r
}

func (b *bench) accept(t *testing.T, change ...func(*message.Content)) *message.Message {
	t.Helper()
	content := message.Content{To: "+12065551212", Media: []string{"https://example.com/a.jpg"}, Priority: message.Normal}
	for _, c := range change {
		c(&content)
	}
	a, err := b.ledger.Accept(t.Context(), ledger.Request{
		Scope: message.Scope{Tenant: "shop"}, Content: content, From: "+12065550000", Now: time.Now().UTC().Truncate(time.Millisecond),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a.Message
}

func (b *bench) dispatch(t *testing.T, m *message.Message) {
	t.Helper()
	if err := b.queue.Dispatch(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) await(t *testing.T, id message.ID, status message.Status) *message.Message {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		m, err := b.ledger.Get(t.Context(), id)
		if err == nil && m.Status == status {
			return m
		}
		if time.Now().After(deadline) {
			t.Fatalf("never %s: %+v, %v", status, m, err)
		}
		<-tick.C
	}
}

func TestMessageIsSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(t)
	for _, lane := range message.Lanes() {
		m := b.accept(t, func(c *message.Content) { c.Priority = lane })
		b.dispatch(t, m)
		got := b.await(t, m.ID, message.StatusSent)
		if got.SinchID != "T1" || got.Attempts != 1 || b.sinch.count(m.ID) != 1 {
			t.Errorf("%s: %+v, %d calls", lane, got, b.sinch.count(m.ID))
		}
	}
}

func TestRetriesUntilAccepted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sinch.answer = func(call int, _ sinch.Message) message.Outcome {
		if call < 3 {
			return message.Outcome{Kind: message.OutcomeNotSent, Code: message.ReasonInternal}
		}
		return message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T1"}
	}
	b.run(t)
	m := b.accept(t)
	b.dispatch(t, m)
	if got := b.await(t, m.ID, message.StatusSent); got.Attempts != 3 {
		t.Fatalf("%d attempts", got.Attempts)
	}
}

func TestThrottlingUsesNoTry(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sinch.answer = func(call int, _ sinch.Message) message.Outcome {
		if call <= b.opts.Backoff.Max+1 {
			return message.Outcome{Kind: message.OutcomeThrottled, Code: message.ReasonThrottled, SinchCode: "E113"}
		}
		return message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T1"}
	}
	b.run(t)
	m := b.accept(t)
	b.dispatch(t, m)
	b.await(t, m.ID, message.StatusSent)
}

func TestPanicInACallIsUnknown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sinch.answer = func(int, sinch.Message) message.Outcome { panic("secret") }
	b.run(t)
	m := b.accept(t)
	b.dispatch(t, m)
	b.await(t, m.ID, message.StatusUnknown)
}

func TestScheduledMessageWaitsForItsTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(t)
	due := time.Now().Add(1500 * time.Millisecond).UTC().Truncate(time.Millisecond)
	m := b.accept(t, func(c *message.Content) { c.SendAt = due })
	if m.Status != message.StatusScheduled {
		t.Fatalf("status %s", m.Status)
	}
	b.dispatch(t, m)
	got := b.await(t, m.ID, message.StatusSent)
	if got.SentAt.Before(due) {
		t.Fatalf("sent at %s, due at %s", got.SentAt, due)
	}
}

func TestExpiredMessageIsNotSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.accept(t, func(c *message.Content) { c.ExpiresAt = time.Now().Add(-time.Second).Truncate(time.Millisecond) })
	b.dispatch(t, m)
	b.run(t)
	b.await(t, m.ID, message.StatusExpired)
	if b.sinch.count(m.ID) != 0 {
		t.Fatal("it was called")
	}
}

// TestExpiresDuringAPause: a message whose time ends before its next try does
// not wait for that try.
func TestExpiresDuringAPause(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.opts.Backoff = dispatch.Backoff{Max: 2, Base: time.Hour, Cap: time.Hour}
	b.sinch.answer = func(int, sinch.Message) message.Outcome {
		return message.Outcome{Kind: message.OutcomeNotSent, Code: message.ReasonInternal}
	}
	b.run(t)
	m := b.accept(t, func(c *message.Content) {
		c.ExpiresAt = time.Now().Add(1500 * time.Millisecond).UTC().Truncate(time.Millisecond)
	})
	b.dispatch(t, m)
	if got := b.await(t, m.ID, message.StatusExpired); got.Attempts != 1 || got.FinalAt.Before(m.ExpiresAt) {
		t.Fatalf("%d attempts, expired at %s, should be at %s", got.Attempts, got.FinalAt, m.ExpiresAt)
	}
}

func TestSweeperMakesTheMissingTask(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(t)
	m := b.accept(t) // and the process dies before it enqueues
	b.await(t, m.ID, message.StatusSent)
	if b.metrics.of(recovery.TaskMissing) != 1 {
		t.Fatal("recovered, but not counted")
	}
}

func TestSweeperReplacesABuriedTask(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.accept(t)
	b.dispatch(t, m)
	inspector := asynq.NewInspectorFromRedisClient(b.rdb)
	if err := inspector.ArchiveTask("normal", queue.MessageTask(m).ID); err != nil {
		t.Fatal(err)
	}
	b.run(t)
	b.await(t, m.ID, message.StatusSent)
	if b.sinch.count(m.ID) != 1 || b.metrics.of(recovery.TaskStuck) != 1 {
		t.Fatalf("%d calls, %d recovered", b.sinch.count(m.ID), b.metrics.of(recovery.TaskStuck))
	}
}

// orphan creates a message in the state of a worker's crash during a call.
func (b *bench) orphan(t *testing.T) *message.Message {
	t.Helper()
	return b.begin(t, 50*time.Millisecond)
}

// begin begins a call of a worker that is not there.
func (b *bench) begin(t *testing.T, takes time.Duration) *message.Message {
	t.Helper()
	m := b.accept(t)
	seen, err := b.ledger.Read(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	begun, err := b.ledger.Begin(t.Context(), seen, func(m *message.Message, now time.Time) error {
		return m.Begin(0, message.Attempt{Worker: "dead", API: "fake", BaseURL: "http://127.0.0.1", Deadline: now.Add(takes)}, now)
	}, ledger.Lease{Worker: "dead"})
	if err != nil {
		t.Fatal(err)
	}
	return begun.Message
}

func TestLostWorkerLeavesUnknown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.orphan(t)
	b.run(t)
	b.await(t, m.ID, message.StatusUnknown)
	if b.sinch.count(m.ID) != 0 {
		t.Fatal("it was sent again")
	}
}

func TestLookupResolvesALostWorkersCall(t *testing.T) {
	t.Parallel()
	t.Run("found", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.sinch.find = func(string) (string, bool, error) { return "B1", true, nil }
		m := b.orphan(t)
		b.run(t)
		if got := b.await(t, m.ID, message.StatusSent); got.SinchID != "B1" || b.sinch.count(m.ID) != 0 {
			t.Fatalf("%+v", got)
		}
	})
	t.Run("absent", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.opts.Recovery.LookupWindow = 5 * time.Second // longer than as many rounds of the sweeper
		var lookups atomic.Int64
		b.sinch.find = func(string) (string, bool, error) { lookups.Add(1); return "", false, nil }
		m := b.orphan(t)
		b.run(t)
		b.await(t, m.ID, message.StatusSent)
		if b.sinch.count(m.ID) != 1 || lookups.Load() != message.LookupsNeeded {
			t.Fatalf("%d calls after %d lookups, want %d", b.sinch.count(m.ID), lookups.Load(), message.LookupsNeeded)
		}
	})
}

// If Sinch retains no calls, the operator's policy
// decides.
func TestLostWorkerWhereNothingIsKept(t *testing.T) {
	t.Parallel()
	for policy, want := range map[recovery.UnknownPolicy]message.Status{recovery.Hold: message.StatusUnknown, recovery.Resend: message.StatusSent} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.opts.Recovery.Unknown, b.opts.Recovery.ReconcileAfter = policy, time.Millisecond
			requested := make(chan struct{})
			once := sync.OnceFunc(func() { close(requested) })
			b.sinch.find = func(string) (string, bool, error) { once(); return "", false, sinch.ErrNotKept }
			m := b.orphan(t)
			b.run(t)
			<-requested
			b.await(t, m.ID, want)
		})
	}
}

func TestStopFinishesTheCallInFlight(t *testing.T) {
	t.Parallel()
	b := setup(t)
	called, release := make(chan struct{}), make(chan struct{})
	b.sinch.answer = func(int, sinch.Message) message.Outcome {
		close(called)
		<-release
		return message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T1"}
	}
	r := NewRunner(b.opts)
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := b.accept(t)
	b.dispatch(t, m)
	<-called
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		r.Stop(context.Background())
	}()
	close(release)
	<-stopped
	if got, err := b.ledger.Get(t.Context(), m.ID); err != nil || got.Status != message.StatusSent {
		t.Fatalf("after the stop: %+v, %v", got, err)
	}
}

func TestRollbackDoesNotDouble(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.run(t)
	m := b.accept(t)
	b.dispatch(t, m)
	key := "mms:{m}:" + m.ID.Identity()
	old := b.rdb.Get(t.Context(), key).Val() // as it was before the attempt
	b.await(t, m.ID, message.StatusSent)
	// Redis goes back to before the attempt, and asynq's task is there again.
	for _, err := range []error{
		b.rdb.Del(t.Context(), "mms:{m}:begins").Err(),
		b.rdb.Set(t.Context(), key, old, 0).Err(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r.Suspect()
	b.dispatch(t, m)
	got := b.await(t, m.ID, message.StatusSent)
	if got.SinchID != "T1" || b.sinch.count(m.ID) != 1 {
		t.Fatalf("%+v, %d calls", got, b.sinch.count(m.ID))
	}
	eventually(t, func() bool { return b.metrics.of(recovery.Rollback) == 1 })
}

// TestRollbackRestoresTheCallsOfADeadWorker: a live worker restores the calls of
// one that crashed at the time of the rollback.
func TestRollbackRestoresTheCallsOfADeadWorker(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.run(t)
	awaitListener(t, b.rdb, r)
	m := b.accept(t)
	key := "mms:{m}:" + m.ID.Identity()
	old := b.rdb.Get(t.Context(), key).Val()
	seen, err := b.ledger.Read(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.ledger.Begin(t.Context(), seen, func(m *message.Message, now time.Time) error {
		return m.Begin(0, message.Attempt{Worker: "dead", Deadline: now.Add(time.Second)}, now)
	}, ledger.Lease{Worker: "dead"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return r.hasHeardOf(m.ID) })
	for _, err := range []error{
		b.rdb.Del(t.Context(), "mms:{m}:begins").Err(),
		b.rdb.Set(t.Context(), key, old, 0).Err(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r.Suspect()
	b.dispatch(t, m)
	got := b.await(t, m.ID, message.StatusUnknown)
	if b.sinch.count(m.ID) != 0 || got.Attempts != 1 {
		t.Fatalf("%+v, %d calls", got, b.sinch.count(m.ID))
	}
	eventually(t, func() bool { return b.metrics.of(recovery.Rollback) > 0 })
}

// awaitListener announces a begin until a worker receives it.
func awaitListener(t *testing.T, rdb *redis.Client, r *Runner) {
	t.Helper()
	id := message.NewID(message.RandomIdentity(), time.Now())
	eventually(t, func() bool {
		channel := ledger.DefaultPrefix + "begun:" + strconv.Itoa(rdb.Options().DB)
		if err := rdb.Publish(t.Context(), channel, "other 0 1 0 "+id.Packed()).Err(); err != nil {
			t.Error(err)
		}
		return r.hasHeardOf(id)
	})
}

func (r *Runner) hasHeardOf(id message.ID) bool {
	return slices.ContainsFunc(r.worker.RecentCalls(time.Now()), func(c dispatch.Call) bool { return c.ID == id })
}

func eventually(tb testing.TB, ok func() bool) {
	tb.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			tb.Fatal("it never came true")
		}
		<-tick.C
	}
}
