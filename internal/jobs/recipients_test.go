package jobs

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/jobs/receipts"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/receipt"
)

// fakeBulk is a Sinch whose calls have many recipients.
type fakeBulk struct {
	mu      sync.Mutex
	calls   []bulkCall
	lookups []string // references
	answer  func(call int, to []string) message.Outcome
	found   func(ref string) (string, bool, error)
}

type bulkCall struct {
	ref      string
	to       []string
	accepted bool
}

func (f *fakeBulk) For(*message.Message) sinch.Provider { return f }

func (*fakeBulk) Origin() sinch.Origin {
	return sinch.Origin{API: "fake", BaseURL: "http://127.0.0.1"}
}

func (*fakeBulk) MaxRecipients() int { return 1000 }

func (f *fakeBulk) Send(ctx context.Context, m sinch.Message) message.Outcome {
	return f.SendMany(ctx, m, []string{m.To})
}

func (f *fakeBulk) SendMany(_ context.Context, m sinch.Message, to []string) message.Outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := message.Outcome{Kind: message.OutcomeAccepted, SinchID: fmt.Sprintf("B%d", len(f.calls)+1)}
	if f.answer != nil {
		o = f.answer(len(f.calls)+1, to)
	}
	f.calls = append(f.calls, bulkCall{ref: m.Ref, to: slices.Clone(to), accepted: o.Kind == message.OutcomeAccepted})
	return o
}

func (f *fakeBulk) Find(_ context.Context, c sinch.Call) (string, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lookups = append(f.lookups, c.Ref)
	if f.found == nil {
		return "", false, nil
	}
	return f.found(c.Ref)
}

func (f *fakeBulk) made() []bulkCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// accepted is how many accepted calls each number had.
func (f *fakeBulk) accepted() map[string]int {
	numbers := make(map[string]int)
	for _, call := range f.made() {
		for _, to := range call.to {
			if call.accepted {
				numbers[to]++
			}
		}
	}
	return numbers
}

func (b *bench) bulk() *fakeBulk {
	f := &fakeBulk{}
	b.opts.Providers = f
	return f
}

func bulkNumber(i int) string { return fmt.Sprintf("+1206555%04d", i) }

// acceptBatch accepts n messages that differ in their numbers alone.
func (b *bench) acceptBatch(t *testing.T, n int, change ...func(row *ledger.Row)) []*message.Message {
	t.Helper()
	batch, _, err := b.ledger.OpenBatch(t.Context(), ledger.BatchRequest{Scope: message.Scope{Tenant: "shop"}, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]ledger.Row, n)
	for i := range rows {
		rows[i] = ledger.Row{
			Content: message.Content{To: bulkNumber(i), Text: "hello", Media: []string{"https://example.com/a.jpg"}, Priority: message.Bulk},
			From:    "+12065550000", Index: int64(i),
		}
		for _, c := range change {
			c(&rows[i])
		}
		rows[i].Group = message.GroupOf(batch.ID, rows[i].Content, rows[i].From)
	}
	results, err := b.ledger.AcceptRows(t.Context(), batch, rows)
	if err != nil {
		t.Fatal(err)
	}
	messages := make([]*message.Message, n)
	for i, r := range results {
		messages[i] = r.Message
	}
	if err := b.queue.DispatchMany(t.Context(), messages); err != nil {
		t.Fatal(err)
	}
	return messages
}

// awaitAll waits until each message is in the state of want.
func (b *bench) awaitAll(t *testing.T, messages []*message.Message, want func(i int) message.Status) []*message.Message {
	t.Helper()
	got := make([]*message.Message, len(messages))
	for i, m := range messages {
		got[i] = b.await(t, m.ID, want(i))
	}
	return got
}

// begunAt is when the first attempt of a message began, by Redis' clock.
func begunAt(m *message.Message) time.Time {
	first := slices.IndexFunc(m.Timeline, func(e message.Entry) bool { return e.Attempt == 1 })
	return m.Timeline[first].At
}

func all(status message.Status) func(int) message.Status {
	return func(int) message.Status { return status }
}

func (f *fakeBulk) wantOnceEach(t *testing.T, n int) {
	t.Helper()
	numbers := f.accepted()
	if len(numbers) != n {
		t.Errorf("%d numbers were sent to, want %d", len(numbers), n)
	}
	for number, times := range numbers {
		if times != 1 {
			t.Errorf("%s was sent to %d times", number, times)
		}
	}
}

func TestIdenticalMessagesShareCalls(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.bulk()
	messages := b.acceptBatch(t, 1000)
	b.run(t)
	got := b.awaitAll(t, messages, all(message.StatusSent))
	f.wantOnceEach(t, 1000)
	if calls := f.made(); len(calls) > 5 {
		t.Errorf("%d calls", len(calls))
	}
	refs := make(map[string]string)
	for _, call := range f.made() {
		for _, to := range call.to {
			refs[to] = call.ref
		}
	}
	for _, m := range got {
		a := m.Calls[0]
		if m.Attempts != 1 || a.Call != refs[m.Content.To] || a.SinchID != m.SinchID || m.SinchID == "" {
			t.Fatalf("%+v, its call was %q", m, refs[m.Content.To])
		}
	}
}

// Sinch drops a repeated number of a call, so that its second message would be lost.
func TestNoNumberIsTwiceInACall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.bulk()
	messages := b.acceptBatch(t, 20, func(r *ledger.Row) { r.Content.To = bulkNumber(int(r.Index) % 10) })
	b.run(t)
	b.awaitAll(t, messages, all(message.StatusSent))
	for _, call := range f.made() {
		numbers := slices.Sorted(slices.Values(call.to))
		if len(slices.Compact(numbers)) != len(call.to) {
			t.Errorf("a call to %v", call.to)
		}
	}
	for number, times := range f.accepted() {
		if times != 2 {
			t.Errorf("%d calls to %s, want one a message", times, number)
		}
	}
}

// refusing refuses every call that has a bad number.
func refusing(bad ...string) func(int, []string) message.Outcome {
	return func(call int, to []string) message.Outcome {
		if slices.ContainsFunc(to, func(number string) bool { return slices.Contains(bad, number) }) {
			return message.Outcome{Kind: message.OutcomeRefused, Code: message.ReasonRecipient, SinchCode: "illegal_number_type"}
		}
		return message.Outcome{Kind: message.OutcomeAccepted, SinchID: fmt.Sprintf("B%d", call)}
	}
}

func TestRefusedNumberIsIsolated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.bulk()
	const bad = 77
	f.answer = refusing(bulkNumber(bad))
	messages := b.acceptBatch(t, 200)
	b.run(t)
	got := b.awaitAll(t, messages, func(i int) message.Status {
		if i == bad {
			return message.StatusFailed
		}
		return message.StatusSent
	})
	f.wantOnceEach(t, 199)
	if m := got[bad]; m.Reason == nil || m.Reason.Code != message.ReasonRecipient || m.Reason.SinchCode != "illegal_number_type" {
		t.Errorf("%+v", m.Reason)
	}
	if calls := f.made(); len(calls) > 40 {
		t.Errorf("%d calls", len(calls))
	}
}

// What waits after a call that was not sent waits equally long and goes
// together again.
func TestThrottledCallGoesTogetherAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.bulk()
	f.answer = func(call int, to []string) message.Outcome {
		if call == 1 && len(to) > 1 {
			return message.Outcome{Kind: message.OutcomeThrottled, Code: message.ReasonThrottled, SinchCode: "429"}
		}
		return message.Outcome{Kind: message.OutcomeAccepted, SinchID: "B"}
	}
	messages := b.acceptBatch(t, 100)
	b.run(t)
	for _, m := range b.awaitAll(t, messages, all(message.StatusSent)) {
		if m.Attempts != 2 || m.Tries != 0 {
			t.Fatalf("%+v", m)
		}
	}
	f.wantOnceEach(t, 100)
	if calls := f.made(); len(calls) > 4 {
		t.Errorf("%d calls", len(calls))
	}
}

// TestThrottledCallBecomesSmallEnough: the request may exceed Sinch's limit.
func TestThrottledCallBecomesSmallEnough(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.bulk()
	f.answer = func(_ int, to []string) message.Outcome {
		if len(to) > 3 {
			return message.Outcome{Kind: message.OutcomeThrottled, Code: message.ReasonThrottled, SinchCode: "429"}
		}
		return message.Outcome{Kind: message.OutcomeAccepted, SinchID: "B"}
	}
	messages := b.acceptBatch(t, 40)
	b.run(t)
	b.awaitAll(t, messages, all(message.StatusSent))
	f.wantOnceEach(t, 40)
}

func TestUnknownMultiCallIsResolvedForAll(t *testing.T) {
	t.Parallel()
	unknown := message.Outcome{Kind: message.OutcomeUnknown, Code: message.ReasonUnknownOutcome}
	t.Run("found", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.opts.Timing.Call = 300 * time.Millisecond
		f := b.bulk()
		f.answer = func(int, []string) message.Outcome { return unknown }
		f.found = func(string) (string, bool, error) { return "B1", true, nil }
		messages := b.acceptBatch(t, 100)
		b.run(t)
		for _, m := range b.awaitAll(t, messages, all(message.StatusSent)) {
			if m.SinchID != "B1" || m.Attempts != 1 {
				t.Fatalf("%+v", m)
			}
		}
		calls := f.made()
		f.mu.Lock()
		defer f.mu.Unlock()
		if !fewerThanMessages(len(calls)) || !fewerThanMessages(len(f.lookups)) {
			t.Errorf("%d calls and %d lookups", len(calls), len(f.lookups))
		}
		for _, ref := range f.lookups {
			if !slices.ContainsFunc(calls, func(c bulkCall) bool { return c.ref == ref }) {
				t.Errorf("a lookup of %q, which is no call", ref)
			}
		}
	})
	t.Run("absent", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.opts.Timing.Call = 300 * time.Millisecond
		f := b.bulk()
		f.answer = func(call int, _ []string) message.Outcome {
			if call == 1 {
				return unknown
			}
			return message.Outcome{Kind: message.OutcomeAccepted, SinchID: "B"}
		}
		messages := b.acceptBatch(t, 100)
		b.run(t)
		b.awaitAll(t, messages, all(message.StatusSent))
		f.wantOnceEach(t, 100)
		if calls := f.made(); !fewerThanMessages(len(calls)) {
			t.Errorf("%d calls", len(calls))
		}
	})
}

// fewerThanMessages reports whether n is far below one for each of 100 messages:
// they are handled together, in few parts on a busy machine.
func fewerThanMessages(n int) bool { return n <= 100/4 }

// After a worker's crash between the begin and the call, all of its members are
// looked up by the reference of the multi-recipient send.
func TestLostWorkerOfAMultiCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.bulk()
	f.found = func(string) (string, bool, error) { return "B9", true, nil }
	messages := b.acceptBatch(t, 50)
	ids := make([]message.ID, len(messages))
	for i, m := range messages {
		ids[i] = m.ID
	}
	seen, err := b.ledger.ReadMany(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	call := message.NewCall()
	if _, err := b.ledger.BeginMany(t.Context(), call, seen, func(m *message.Message, now time.Time) error {
		return m.Begin(0, message.Attempt{
			Worker: "dead", Call: call, API: "fake", BaseURL: "http://127.0.0.1", Deadline: now.Add(50 * time.Millisecond),
		}, now)
	}, ledger.Lease{Worker: "dead"}); err != nil {
		t.Fatal(err)
	}
	b.run(t)
	for _, m := range b.awaitAll(t, messages, all(message.StatusSent)) {
		if m.SinchID != "B9" {
			t.Fatalf("%+v", m)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.calls) != 0 || slices.ContainsFunc(f.lookups, func(ref string) bool { return ref != call }) {
		t.Errorf("%d calls, lookups of %q", len(f.calls), f.lookups)
	}
}

// The loss of a group's set only makes calls smaller.
func TestLostGroupList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.bulk()
	messages := b.acceptBatch(t, 10)
	if err := b.rdb.Del(t.Context(), ledger.DefaultPrefix+"group:"+messages[0].Group).Err(); err != nil {
		t.Fatal(err)
	}
	b.run(t)
	b.awaitAll(t, messages, all(message.StatusSent))
	f.wantOnceEach(t, 10)
}

func TestMultiCallOmitsOptedOutRecipients(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.bulk()
	messages := b.acceptBatch(t, 30)
	b.optOuts.add(t, bulkNumber(4), true)
	b.run(t)
	got := b.awaitAll(t, messages, func(i int) message.Status {
		if i == 4 {
			return message.StatusFailed
		}
		return message.StatusSent
	})
	if got[4].Reason.Code != message.ReasonSuppressed {
		t.Errorf("%+v", got[4].Reason)
	}
	f.wantOnceEach(t, 29)
}

// The receipts of a multi-recipient send are matched by number.
func TestReceiptsOfAMultiCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.bulk()
	messages := b.acceptBatch(t, 20)
	b.run(t)
	b.awaitAll(t, messages, all(message.StatusSent))
	receiver := receipts.New(b.ledger, b.optOuts, nil, nil, zerolog.Nop())
	ref := f.made()[0].ref
	for number, want := range map[string]receipts.Result{bulkNumber(7)[1:]: receipts.Applied, "12065559999": receipts.Unknown, "": receipts.Unknown} {
		got, err := receiver.Apply(t.Context(), receipt.Receipt{
			Shape: "fake", Kind: receipt.KindReport, Ref: ref, Recipient: number, State: message.ReceiptDelivered, SinchCode: "0",
		})
		if err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", number, got, err, want)
		}
	}
	b.awaitAll(t, messages, func(i int) message.Status {
		if i == 7 {
			return message.StatusDelivered
		}
		return message.StatusSent
	})
}

// TestStopFinishesTheMultiCallInFlight stops a worker during a call for many:
// the outcome of each is recorded before it ends.
func TestStopFinishesTheMultiCallInFlight(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.bulk()
	called, release := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(called) })
	f.answer = func(int, []string) message.Outcome {
		once()
		<-release
		return message.Outcome{Kind: message.OutcomeAccepted, SinchID: "B1"}
	}
	r := NewRunner(b.opts)
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	messages := b.acceptBatch(t, 300)
	<-called
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		r.Stop(context.Background())
	}()
	close(release)
	<-stopped
	sent := 0
	for _, m := range messages {
		got, err := b.ledger.Get(t.Context(), m.ID)
		if err != nil || got.Status == message.StatusSending || got.Status == message.StatusUnknown {
			t.Fatalf("after the stop: %+v, %v", got, err)
		}
		if got.Status == message.StatusSent {
			sent++
		}
	}
	if numbers := f.accepted(); len(numbers) != sent {
		t.Errorf("%d numbers called, %d messages sent", len(numbers), sent)
	}
}

// TestRollbackRestoresAMultiCall lets a living worker record a multi-recipient
// call of a dead one: it is looked up by its own reference, and its receipts
// find their messages again.
func TestRollbackRestoresAMultiCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.bulk()
	f.found = func(string) (string, bool, error) { return "B9", true, nil }
	r := b.run(t)
	awaitListener(t, b.rdb, r)
	m := b.accept(t, func(c *message.Content) { c.To = bulkNumber(1) }) // without a group, so that it is not called
	key := ledger.DefaultPrefix + m.ID.Identity()
	old := b.rdb.Get(t.Context(), key).Val()
	seen, err := b.ledger.Read(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	call := message.NewCall()
	if _, err := b.ledger.BeginMany(t.Context(), call, []ledger.Snapshot{seen}, func(m *message.Message, now time.Time) error {
		return m.Begin(0, message.Attempt{Worker: "dead", Call: call, Deadline: now.Add(time.Second)}, now)
	}, ledger.Lease{Worker: "dead"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return r.hasHeardOf(m.ID) })
	for _, err := range []error{
		b.rdb.Del(t.Context(), ledger.DefaultPrefix+"begins", ledger.DefaultPrefix+"call:"+call).Err(),
		b.rdb.Set(t.Context(), key, old, 0).Err(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r.Suspect()
	b.dispatch(t, m)
	if got := b.await(t, m.ID, message.StatusSent); got.SinchID != "B9" || got.Attempts != 1 || len(f.made()) != 0 {
		t.Fatalf("%+v, %d calls", got, len(f.made()))
	}
	f.mu.Lock()
	if f.lookups[0] != call {
		t.Errorf("lookup of %q, want %q", f.lookups[0], call)
	}
	f.mu.Unlock()
	got, err := receipts.New(b.ledger, b.optOuts, nil, nil, zerolog.Nop()).Apply(t.Context(), receipt.Receipt{
		Shape: "fake", Kind: receipt.KindReport, Ref: call, Recipient: bulkNumber(1)[1:], State: message.ReceiptDelivered, SinchCode: "0",
	})
	if err != nil || got != receipts.Applied {
		t.Errorf("receipt: %s, %v", got, err)
	}
}
