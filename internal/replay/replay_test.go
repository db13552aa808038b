package replay_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/replay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }

// bundle is a ledger with a store of replays, and a runner that records what it
// dispatches.
type bundle struct {
	rdb    redis.UniversalClient
	ledger *ledger.Ledger
	store  *replay.Store
	runner *replay.Runner

	mu         sync.Mutex
	dispatched []message.ID
	optedOut   []string
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{rdb: redistest.Shared(t).Client(t)}
	var err error
	b.ledger, err = ledger.New(b.rdb, ledger.Options{RecordTTL: time.Hour})
	must(t, err)
	b.store = replay.NewStore(b.rdb, b.ledger, time.Hour)
	b.runner = b.newRunner()
	return b
}

func (b *bundle) newRunner() *replay.Runner {
	return replay.NewRunner(b.store, b, b.suppress, func(error) {}, zerolog.Nop())
}

// DispatchMany implements replay.Dispatcher.
func (b *bundle) DispatchMany(_ context.Context, messages []*message.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range messages {
		b.dispatched = append(b.dispatched, m.ID)
	}
	return nil
}

// suppress is a replay.SuppressFunc.
func (b *bundle) suppress(_ context.Context, scope message.Scope, number, reason string) (added bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	entry := scope.Tenant + " " + number + " " + reason
	if slices.Contains(b.optedOut, entry) {
		return false, nil
	}
	b.optedOut = append(b.optedOut, entry)
	return true, nil
}

func shop() message.Scope { return message.Scope{Tenant: "shop"} }

// failed accepts a message that fails.
func (b *bundle) failed(t *testing.T, scope message.Scope, reason message.ReasonCode) message.ID {
	t.Helper()
	return b.ended(t, scope, message.Outcome{Kind: message.OutcomeRefused, Code: reason, Detail: "refused"})
}

func (b *bundle) ended(t *testing.T, scope message.Scope, o message.Outcome) message.ID {
	t.Helper()
	a, err := b.ledger.Accept(t.Context(), ledger.Request{
		Scope: scope, From: "+12065550100", Now: time.Now().UTC().Truncate(time.Millisecond),
		Content: message.Content{To: "+12065551212", Media: []string{"https://example.com/a.jpg"}, Priority: message.Normal},
	})
	must(t, err)
	for _, change := range []ledger.Change{
		func(m *message.Message, now time.Time) error {
			return m.Begin(m.Task, message.Attempt{Worker: "w"}, now)
		},
		func(m *message.Message, now time.Time) error { return m.Conclude(1, o, message.Retry{}, now) },
	} {
		_, err := b.ledger.Update(t.Context(), a.Message.ID, change)
		must(t, err)
	}
	return a.Message.ID
}

// finish runs rounds until the replay has ended.
func (b *bundle) finish(t *testing.T, id string) replay.Replay {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := b.runner.Round(t.Context())
		must(t, err)
		got, err := b.store.Get(t.Context(), nil, id)
		must(t, err)
		if got.Status != replay.Running {
			return got
		}
		<-tick.C
	}
}

func request(change func(*replay.Request)) replay.Request {
	scope := shop()
	r := replay.Request{Filter: replay.Filter{Scope: &scope, Statuses: []message.Status{message.StatusFailed}}, Rate: 1000}
	if change != nil {
		change(&r)
	}
	return r
}

func (b *bundle) status(t *testing.T, id message.ID) message.Status {
	t.Helper()
	m, err := b.ledger.Get(t.Context(), id)
	must(t, err)
	return m.Status
}

// A replay sends again what its filter selects, and nothing else.
func TestReplay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	wanted := []message.ID{b.failed(t, shop(), message.ReasonAccount), b.failed(t, shop(), message.ReasonAccount)}
	other := []message.ID{
		b.failed(t, shop(), message.ReasonRecipient), b.failed(t, message.Scope{Tenant: "other"}, message.ReasonAccount),
		b.ended(t, shop(), message.Outcome{Kind: message.OutcomeAccepted, SinchID: "s"}),
	}
	r := request(func(r *replay.Request) { r.Filter.Reasons = []message.ReasonCode{message.ReasonAccount} })
	selected, err := b.store.Select(t.Context(), r.Filter)
	must(t, err)
	if selected.Count != 2 || selected.MayDouble != 0 || len(selected.Sample) != 2 {
		t.Errorf("selected %+v", selected)
	}
	job, err := b.store.Create(t.Context(), r)
	must(t, err)
	if got := b.finish(t, job.ID); got.Status != replay.Done || got.Total != 2 || got.Replayed != 2 || got.Skipped != 0 {
		t.Errorf("%+v", got)
	}
	for _, id := range wanted {
		if got := b.status(t, id); got != message.StatusQueued || !slices.Contains(b.dispatched, id) {
			t.Errorf("%s is %s", id, got)
		}
	}
	for _, id := range other {
		if got := b.status(t, id); got == message.StatusQueued {
			t.Errorf("%s is queued", id)
		}
	}
	if _, err := b.store.Get(t.Context(), &message.Scope{Tenant: "other"}, job.ID); !errors.Is(err, replay.ErrNotFound) {
		t.Errorf("another tenant: %v", err)
	}
}

// Messages of unknown outcome are counted as those that may double, and are replayed
// with force only.
func TestUnknown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.ended(t, shop(), message.Outcome{Kind: message.OutcomeUnknown, Detail: "timeout"})
	r := request(func(r *replay.Request) { r.Filter.Statuses = []message.Status{message.StatusUnknown} })
	selected, err := b.store.Select(t.Context(), r.Filter)
	must(t, err)
	if selected.Count != 1 || selected.MayDouble != 1 {
		t.Errorf("selected %+v", selected)
	}
	for _, tt := range []struct {
		force bool
		want  message.Status
	}{{false, message.StatusUnknown}, {true, message.StatusQueued}} {
		r.Force = tt.force
		job, err := b.store.Create(t.Context(), r)
		must(t, err)
		b.finish(t, job.ID)
		if got := b.status(t, id); got != tt.want {
			t.Errorf("force %v: %s, want %s", tt.force, got, tt.want)
		}
	}
}

// What was changed since it was selected is skipped.
func TestChangedMeanwhile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.failed(t, shop(), message.ReasonAccount)
	job, err := b.store.Create(t.Context(), request(nil))
	must(t, err)
	_, err = b.ledger.Update(t.Context(), id, func(m *message.Message, now time.Time) error {
		return m.Receive(message.Receipt{Attempt: 1, State: message.ReceiptDelivered}, now)
	})
	must(t, err)
	if got := b.finish(t, job.ID); got.Replayed != 0 || got.Skipped != 1 {
		t.Errorf("%+v", got)
	}
	if got := b.status(t, id); got != message.StatusDelivered {
		t.Errorf("%s", got)
	}
}

// A runner that ends between the replay of a message and the record of the progress
// does not make the next one replay it again.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.failed(t, shop(), message.ReasonAccount)
	job, err := b.store.Create(t.Context(), request(nil))
	must(t, err)
	entries := b.rdb.LRange(t.Context(), "mms:{m}:replay:"+job.ID+":ids", 0, -1).Val()
	b.runner = b.newRunner()
	_, err = b.runner.Round(t.Context())
	must(t, err)
	for _, e := range entries { // as if the progress had not been recorded
		must(t, b.rdb.RPush(t.Context(), "mms:{m}:replay:"+job.ID+":ids", e).Err())
	}
	b.finish(t, job.ID)
	m, err := b.ledger.Get(t.Context(), id)
	must(t, err)
	if m.Replays != 1 {
		t.Errorf("replayed %d times", m.Replays)
	}
}

// delayed accepts a message that waits for its next attempt, after one that was not
// sent or, with doubt, one of unknown outcome.
func (b *bundle) delayed(t *testing.T, doubt bool) message.ID {
	t.Helper()
	retry := message.Retry{Max: 3, Delay: func(int) time.Duration { return time.Hour }}
	a, err := b.ledger.Accept(t.Context(), ledger.Request{
		Scope: shop(), From: "+12065550100", Now: time.Now().UTC().Truncate(time.Millisecond),
		Content: message.Content{To: "+12065551212", Media: []string{"https://example.com/a.jpg"}, Priority: message.Normal},
	})
	must(t, err)
	_, err = b.ledger.Update(t.Context(), a.Message.ID, func(m *message.Message, now time.Time) error {
		if doubt {
			if err := m.Begin(m.Task, message.Attempt{Worker: "w"}, now); err != nil {
				return err
			}
			if err := m.Conclude(1, message.Outcome{Kind: message.OutcomeUnknown, Detail: "timeout"}, retry, now); err != nil {
				return err
			}
			if err := m.Resend(retry, now); err != nil {
				return err
			}
		}
		if err := m.Begin(m.Task, message.Attempt{Worker: "w"}, now); err != nil {
			return err
		}
		o := message.Outcome{Kind: message.OutcomeThrottled, Code: message.ReasonThrottled, Detail: "too fast"}
		return m.Conclude(m.Attempts, o, retry, now)
	})
	must(t, err)
	return a.Message.ID
}

// A job can cancel what waits. A message with an attempt that Sinch may have accepted
// ends unknown, and one that does not wait any more is skipped.
func TestCancelMessages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	waits, doubted, gone := b.delayed(t, false), b.delayed(t, true), b.delayed(t, false)
	r := request(func(r *replay.Request) {
		r.Action = replay.Cancel
		r.Filter.Statuses, r.Filter.Reasons = []message.Status{message.StatusQueued}, []message.ReasonCode{message.ReasonThrottled}
	})
	selected, err := b.store.Select(t.Context(), r.Filter)
	must(t, err)
	if selected.Count != 3 || selected.Attempted != 1 || selected.MayDouble != 0 {
		t.Errorf("selected %+v", selected)
	}
	job, err := b.store.Create(t.Context(), r)
	must(t, err)
	running, err := b.store.Running(t.Context())
	must(t, err)
	if len(running) != 1 || running[0].ID != job.ID || running[0].Action != replay.Cancel {
		t.Errorf("running %+v", running)
	}
	_, err = b.ledger.Update(t.Context(), gone, func(m *message.Message, now time.Time) error {
		return m.Receive(message.Receipt{Attempt: 1, State: message.ReceiptDelivered}, now)
	})
	must(t, err)
	if got := b.finish(t, job.ID); got.Replayed != 2 || got.Skipped != 1 {
		t.Errorf("%+v", got)
	}
	for id, want := range map[message.ID]message.Status{
		waits: message.StatusCanceled, doubted: message.StatusUnknown, gone: message.StatusDelivered,
	} {
		if got := b.status(t, id); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if len(b.dispatched) != 0 {
		t.Errorf("tasks of canceled messages: %v", b.dispatched)
	}
	scope := shop()
	if _, err := b.store.Get(t.Context(), &scope, job.ID); !errors.Is(err, replay.ErrNotFound) {
		t.Errorf("a tenant sees an operator's job: %v", err)
	}
	if running, err = b.store.Running(t.Context()); err != nil || len(running) != 0 {
		t.Errorf("running after the end: %+v, %v", running, err)
	}
}

// A job can opt recipients out, each once, and changes no message.
func TestSuppressRecipients(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second := b.failed(t, shop(), message.ReasonCarrier), b.failed(t, shop(), message.ReasonCarrier)
	job, err := b.store.Create(t.Context(), request(func(r *replay.Request) {
		r.Action, r.Reason = replay.Suppress, "landlines"
	}))
	must(t, err)
	if got := b.finish(t, job.ID); got.Total != 2 || got.Replayed != 1 || got.Skipped != 1 {
		t.Errorf("%+v", got)
	}
	if want := []string{"shop +12065551212 landlines"}; !slices.Equal(b.optedOut, want) {
		t.Errorf("opted out: %v", b.optedOut)
	}
	for _, id := range []message.ID{first, second} {
		if got := b.status(t, id); got != message.StatusFailed {
			t.Errorf("%s", got)
		}
	}
}

// The carrier that receipts named selects messages.
func TestSelectByCarrier(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, operator := range []string{"31003", "310260", ""} {
		id := b.ended(t, shop(), message.Outcome{Kind: message.OutcomeAccepted, SinchID: "s"})
		_, err := b.ledger.Update(t.Context(), id, func(m *message.Message, now time.Time) error {
			return m.Receive(message.Receipt{
				Attempt: 1, State: message.ReceiptUndelivered, Code: message.ReasonCarrier, SinchCode: "E102", Operator: operator,
			}, now)
		})
		must(t, err)
	}
	for operator, want := range map[string]int{"31003": 1, replay.NoOperator: 1, "": 3} {
		selected, err := b.store.Select(t.Context(), replay.Filter{Statuses: []message.Status{message.StatusUndelivered}, Operator: operator})
		must(t, err)
		if selected.Count != want {
			t.Errorf("%q: %d messages, want %d", operator, selected.Count, want)
		}
	}
}

// A canceled replay goes on with nothing.
func TestCancel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.failed(t, shop(), message.ReasonAccount)
	job, err := b.store.Create(t.Context(), request(nil))
	must(t, err)
	scope := shop()
	canceled, err := b.store.Cancel(t.Context(), &scope, job.ID)
	must(t, err)
	if canceled.Status != replay.Canceled {
		t.Errorf("%+v", canceled)
	}
	active, err := b.runner.Round(t.Context())
	must(t, err)
	if active || b.status(t, id) != message.StatusFailed {
		t.Errorf("active %v, %s", active, b.status(t, id))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
