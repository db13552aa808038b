package httpapi_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/inbound"
	"mmsdispatch/internal/jobs/receipts"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/pause"
	"mmsdispatch/internal/sinch/receipt"
	"mmsdispatch/internal/suppression"
)

// fakeLedger is a ledger in memory with a switch for each kind of failure.
type fakeLedger struct {
	mu       sync.Mutex
	messages []*message.Message // in the order they were accepted
	err      error              // of every method
	block    bool               // until the context ends
	budget   time.Duration      // that a blocked method had
	held     bool               // accepted messages are marked as suppressed
	panics   any
	clock    func() time.Time
}

// enter begins every method.
func (l *fakeLedger) enter(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.panics != nil {
		panic(l.panics)
	}
	if l.block {
		end, _ := ctx.Deadline()
		l.budget = time.Until(end)
		<-ctx.Done()
		return ctx.Err()
	}
	return l.err
}

func (l *fakeLedger) find(match func(*message.Message) bool) *message.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.messages, match); i >= 0 {
		return l.messages[i]
	}
	return nil
}

func (l *fakeLedger) Accept(ctx context.Context, r ledger.Request) (ledger.Accepted, error) {
	if err := l.enter(ctx); err != nil {
		return ledger.Accepted{}, err
	}
	if r.Content.ClientReference != "" {
		known, err := l.ByReference(ctx, r.Scope, r.Content.ClientReference)
		switch {
		case err == nil && known.Content.Equal(r.Content):
			return ledger.Accepted{Message: known, Duplicate: true}, nil
		case err == nil:
			return ledger.Accepted{}, ledger.ErrReused
		}
	}
	m := message.New(message.NewID(message.RandomIdentity(), r.Now), r.Scope, r.Content, r.From, r.Now)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages = append(l.messages, m)
	return ledger.Accepted{Message: m, Suppressed: l.held}, nil
}

func (l *fakeLedger) ByReference(ctx context.Context, scope message.Scope, ref string) (*message.Message, error) {
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	m := l.find(func(m *message.Message) bool { return m.Scope == scope && m.Content.ClientReference == ref })
	if m == nil {
		return nil, ledger.ErrNotFound
	}
	return m, nil
}

func (l *fakeLedger) Get(ctx context.Context, id message.ID) (*message.Message, error) {
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	m := l.find(func(m *message.Message) bool { return m.ID == id })
	if m == nil {
		return nil, ledger.ErrNotFound
	}
	return m, nil
}

func (l *fakeLedger) Current(ctx context.Context, ids []message.ID) (map[message.ID]*message.Message, error) {
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	current := make(map[message.ID]*message.Message)
	for _, id := range ids {
		if m := l.find(func(m *message.Message) bool { return m.ID == id }); m != nil {
			current[id] = m
		}
	}
	return current, nil
}

func (l *fakeLedger) LogGap(ctx context.Context, _ message.Scope) (bool, error) {
	return false, l.enter(ctx)
}

func (l *fakeLedger) Unknown(ctx context.Context, scope message.Scope, r ledger.Range, yield ledger.Yield) error {
	_, err := l.Recent(ctx, scope, r, func(m *message.Message) bool { return m.Status != message.StatusUnknown || yield(m) })
	return err
}

func (l *fakeLedger) Recent(ctx context.Context, scope message.Scope, r ledger.Range, yield ledger.Yield) (bool, error) {
	if err := l.enter(ctx); err != nil {
		return false, err
	}
	l.mu.Lock()
	recent := slices.DeleteFunc(slices.Clone(l.messages), func(m *message.Message) bool { return m.Scope != scope || !r.After.Before(m.ID) })
	l.mu.Unlock()
	slices.SortFunc(recent, func(a, b *message.Message) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	})
	for _, m := range recent {
		if !yield(m) {
			break
		}
	}
	return true, nil
}

func (l *fakeLedger) Update(ctx context.Context, id message.ID, change ledger.Change) (*message.Message, error) {
	m, err := l.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return m, change(m, l.clock())
}

// fakeQueue records the dispatched messages.
type fakeQueue struct {
	mu  sync.Mutex
	ids []message.ID
	err error

	hold <-chan struct{} // nil: at once
	soon sync.WaitGroup
}

func (q *fakeQueue) DispatchMany(ctx context.Context, messages []*message.Message) error {
	for _, m := range messages {
		if err := q.Dispatch(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (q *fakeQueue) Dispatch(_ context.Context, m *message.Message) error {
	if q.hold != nil {
		<-q.hold
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ids = append(q.ids, m.ID)
	return q.err
}

func (q *fakeQueue) DispatchSoon(m *message.Message, failed func(error)) {
	q.soon.Go(func() {
		if err := q.Dispatch(context.Background(), m); err != nil {
			failed(err)
		}
	})
}

func (q *fakeQueue) dispatched() []message.ID {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.ids)
}

// fakeReceipts records the applied receipts.
type fakeReceipts struct {
	mu     sync.Mutex
	got    []receipt.Receipt
	result receipts.Result
	err    error
}

func (r *fakeReceipts) Apply(_ context.Context, got receipt.Receipt) (receipts.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return "", r.err
	}
	r.got = append(r.got, got)
	return r.result, nil
}

func (r *fakeReceipts) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

// fakeOptOuts records inbound STOP and START words, and fails with a configured
// error.
type fakeOptOuts struct {
	httpapi.OptOuts

	mu         sync.Mutex
	inbound    []suppression.Inbound
	suppressed bool
	err        error
}

func (o *fakeOptOuts) HandleInbound(_ context.Context, h suppression.Inbound) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.inbound = append(o.inbound, h)
	}
	return o.err
}

func (o *fakeOptOuts) Suppressed(context.Context, message.Scope, string, string) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.suppressed, o.err
}

// answers sets the result of all further calls.
func (o *fakeOptOuts) answers(suppressed bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.suppressed, o.err = suppressed, err
}

// fakeNonces keeps nonces for ever.
type fakeNonces struct {
	mu   sync.Mutex
	used map[string]bool
	err  error
}

func (n *fakeNonces) Seen(_ context.Context, nonce string) (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.used[nonce], n.err
}

func (n *fakeNonces) Put(_ context.Context, nonce string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.used[nonce] = true
	return n.err
}

// fakeLimiter returns a configured allowance.
type fakeLimiter struct {
	mu     sync.Mutex
	answer httpapi.Allowance
	err    error
	keys   []string
	rates  []float64
}

func (l *fakeLimiter) Allow(_ context.Context, keyID string, perSecond float64) (httpapi.Allowance, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys, l.rates = append(l.keys, keyID), append(l.rates, perSecond)
	return l.answer, l.err
}

// fakeKeys maps keys to callers.
type fakeKeys struct {
	mu      sync.Mutex
	callers map[string]httpapi.Caller
	err     error
}

func (k *fakeKeys) Identify(_ context.Context, key string) (httpapi.Caller, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return httpapi.Caller{}, k.err
	}
	caller, ok := k.callers[key]
	if !ok {
		return httpapi.Caller{}, httpapi.ErrUnknownKey
	}
	return caller, nil
}

// fakeMetrics counts by labels.
type fakeMetrics struct {
	mu       sync.Mutex
	counts   map[string]int
	inFlight atomic.Int64
}

func (m *fakeMetrics) RequestBegan() { m.inFlight.Add(1) }

func (m *fakeMetrics) RequestEnded() { m.inFlight.Add(-1) }

func (m *fakeMetrics) count(labels string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[labels]++
}

func (m *fakeMetrics) get(labels string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counts[labels]
}

func (m *fakeMetrics) Request(method, route string, _ int, _ time.Duration) {
	m.count("request " + method + " " + route)
}

func (m *fakeMetrics) Message(lane, result string) { m.count("message " + lane + " " + result) }

func (m *fakeMetrics) Receipt(shape, result string) { m.count("receipt " + shape + " " + result) }

func (m *fakeMetrics) WebhookRefused(shape, check string) { m.count("refused " + shape + " " + check) }

var errRedis = errors.Join(ledger.ErrUnavailable, errors.New("dial tcp: connection refused"))

// fails makes every method of the ledger fail from now on; nil: they work again.
func (l *fakeLedger) fails(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

// change changes a message without the API.
func (l *fakeLedger) change(id message.ID, do func(*message.Message)) {
	m := l.find(func(m *message.Message) bool { return m.ID == id })
	l.mu.Lock()
	defer l.mu.Unlock()
	do(m)
}

func (l *fakeLedger) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.messages)
}

// noPauses has no pauses and takes none.
type noPauses struct{ httpapi.Pauses }

func (noPauses) Read(context.Context) (pause.Set, error) { return pause.Set{}, nil }

// fakeEvents records the messages whose events are erased.
type fakeEvents struct {
	httpapi.Events

	mu       sync.Mutex
	erased   []message.ID
	received []string
}

// EraseEvents implements httpapi.Events.
func (e *fakeEvents) EraseEvents(_ context.Context, _ message.Scope, _ time.Time, ids ...message.ID) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.erased = append(e.erased, ids...)
	return nil
}

// EraseReceived implements httpapi.Events.
func (e *fakeEvents) EraseReceived(_ context.Context, ids ...string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.received = append(e.received, ids...)
	return nil
}

// CountDuplicate counts nothing.
func (l *fakeLedger) CountDuplicate(context.Context, message.Scope) error { return nil }

// Usage has no counts.
func (l *fakeLedger) Usage(_ context.Context, _ message.Scope, _ time.Time, days int) ([]ledger.Usage, error) {
	return make([]ledger.Usage, days), nil
}

func (l *fakeLedger) Erase(ctx context.Context, scope message.Scope, id message.ID, force bool) (*message.Message, error) {
	return l.Update(ctx, id, func(m *message.Message, now time.Time) error {
		if m.Scope != scope {
			return ledger.ErrNotFound
		}
		return m.Erase(force, now)
	})
}

func (l *fakeLedger) EraseNumber(ctx context.Context, scope message.Scope, number string) (erased []message.ID, open int, err error) {
	l.mu.Lock()
	all := slices.Clone(l.messages)
	l.mu.Unlock()
	for _, m := range all {
		if m.Scope != scope || m.Content.To != number {
			continue
		}
		if _, err := l.Erase(ctx, scope, m.ID, false); err == nil {
			erased = append(erased, m.ID)
		} else {
			open++
		}
	}
	return erased, open, l.enter(ctx)
}

// fakeInbound keeps the messages of phones in memory.
type fakeInbound struct {
	mu     sync.Mutex
	added  []inbound.Message
	erased []string
	err    error
}

func (f *fakeInbound) Add(_ context.Context, m inbound.Message, _ inbound.Source) (string, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return "", false, f.err
	}
	f.added = append(f.added, m)
	return "inb_fake", true, nil
}

func (f *fakeInbound) List(
	context.Context, message.Scope, inbound.Filter, inbound.Position, int,
) ([]inbound.Message, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.added, f.err
}

func (f *fakeInbound) EraseNumber(_ context.Context, _ message.Scope, number string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.erased = append(f.erased, number)
	return nil, f.err
}

func (f *fakeInbound) ClaimHelp(context.Context, string, string) (bool, error) { return true, f.err }
