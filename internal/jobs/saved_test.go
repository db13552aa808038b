package jobs

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/jobs/receipts"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/saved"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/receipt"
)

// savingSinch is a fakeSinch that keeps what messages share.
type savingSinch struct {
	*fakeSinch

	mu    sync.Mutex
	saves []sinch.Shared
	save  func(n int, s sinch.Shared) message.Outcome
	sent  map[string]int // accepted calls by what they named; empty: media
}

func (f *savingSinch) For(*message.Message) sinch.Provider { return f }

func (f *savingSinch) Save(_ context.Context, s sinch.Shared) message.Outcome {
	f.mu.Lock()
	f.saves = append(f.saves, s)
	n := len(f.saves)
	f.mu.Unlock()
	return f.save(n, s)
}

func (*savingSinch) Encodes([]sinch.Media) bool { return false }

func (f *savingSinch) Send(ctx context.Context, m sinch.Message) message.Outcome {
	o := f.fakeSinch.Send(ctx, m)
	if o.Kind == message.OutcomeAccepted {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.sent[m.SavedID]++
	}
	return o
}

// savedEvents counts nothing.
type savedEvents struct{}

func (savedEvents) Saved(string) {}

// savedBench is a bench whose provider saves, and reports at once that what it
// saved is ready, as Sinch does of images.
type savedBench struct {
	*bench

	sinch    *savingSinch
	receipts *receipts.Receiver
	t        *testing.T
}

func setupSaved(t *testing.T) *savedBench {
	t.Helper()
	b := setup(t)
	b.opts.Saved = saved.NewStore(b.rdb, savedEvents{}, nil)
	s := &savedBench{bench: b, t: t, receipts: receipts.New(b.ledger, b.optOuts, saved.NewStore(b.rdb, savedEvents{}, nil), nil, zerolog.Nop())}
	s.sinch = &savingSinch{fakeSinch: b.sinch, sent: make(map[string]int)}
	s.sinch.save = func(n int, shared sinch.Shared) message.Outcome {
		s.report(shared.Ref, strconv.Itoa(n), true)
		return message.Outcome{Kind: message.OutcomeAccepted, SinchID: strconv.Itoa(n)}
	}
	b.opts.Providers = s.sinch
	return s
}

// report is Sinch's report on a saved template.
func (b *savedBench) report(ref, id string, ready bool) {
	got := receipt.Receipt{Kind: receipt.KindTemplate, Ref: ref, Template: receipt.Template{ID: id, Ready: ready}}
	if result, err := b.receipts.Apply(context.WithoutCancel(b.t.Context()), got); err != nil || result != receipts.Applied {
		b.t.Errorf("report of %s: %s, %v", id, result, err)
	}
}

// batch accepts n messages with equal content and enqueues their tasks.
func (b *savedBench) batch(n int) []*message.Message {
	b.t.Helper()
	now := time.Now().UTC().Truncate(time.Millisecond)
	opened, _, err := b.ledger.OpenBatch(b.t.Context(), ledger.BatchRequest{Scope: message.Scope{Tenant: "shop"}, Now: now})
	if err != nil {
		b.t.Fatal(err)
	}
	rows := make([]ledger.Row, n)
	for i := range rows {
		rows[i] = ledger.Row{From: "+12065550000", Index: int64(i), Shared: true, Content: message.Content{
			To: "+12065551212", Text: "Hello", Media: []string{"https://example.com/a.jpg"}, Priority: message.Bulk,
		}}
	}
	results, err := b.ledger.AcceptRows(b.t.Context(), opened, rows)
	if err != nil {
		b.t.Fatal(err)
	}
	all := make([]*message.Message, n)
	for i, r := range results {
		all[i] = r.Message
		b.dispatch(b.t, r.Message)
	}
	return all
}

// wantSent checks that all messages were accepted, each once and after so many
// calls at most, without using a try, and by what they were sent.
func (b *savedBench) wantSent(all []*message.Message, calls int, sent map[string]int) {
	b.t.Helper()
	for _, m := range all {
		got := b.await(b.t, m.ID, message.StatusSent)
		if got.Attempts > calls || got.Tries != 0 {
			b.t.Errorf("%d calls, %d tries: %+v", got.Attempts, got.Tries, got.Timeline)
		}
	}
	b.sinch.mu.Lock()
	defer b.sinch.mu.Unlock()
	total := 0
	for id, n := range b.sinch.sent {
		total += n
		if _, ok := sent[id]; !ok {
			b.t.Errorf("%d were sent as %q", n, id)
		}
	}
	if total != len(all) {
		b.t.Errorf("%d accepted calls for %d messages", total, len(all))
	}
	for id, least := range sent {
		if b.sinch.sent[id] < least {
			b.t.Errorf("%d were sent as %q, want %d: %v", b.sinch.sent[id], id, least, b.sinch.sent)
		}
	}
}

func (b *savedBench) wantSaves(n int) {
	b.t.Helper()
	b.sinch.mu.Lock()
	defer b.sinch.mu.Unlock()
	if len(b.sinch.saves) != n {
		b.t.Errorf("saved %d times, want %d", len(b.sinch.saves), n)
	}
}

// TestSharedMediaAreSavedOnce, by all workers together.
func TestSharedMediaAreSavedOnce(t *testing.T) {
	t.Parallel()
	b := setupSaved(t)
	b.run(t)
	b.opts.Saved = saved.NewStore(b.rdb, savedEvents{}, nil) // the other process has a cache of its own
	b.run(t)
	all := b.batch(40)
	b.wantSent(all, 1, map[string]int{"1": 40})
	b.wantSaves(1)
	shared := b.sinch.saves[0]
	if shared.Text != "Hello" || len(shared.Media) != 1 || shared.Media[0].URL != "https://example.com/a.jpg" {
		t.Errorf("%+v", shared)
	}
	if other := b.batch(2); !t.Failed() { // whose URL may hold something else
		b.wantSent(append(all, other...), 1, map[string]int{"1": 40, "2": 2})
	}
}

func TestSavedMediaThatAreNotReadyAreWaitedFor(t *testing.T) {
	t.Parallel()
	b := setupSaved(t)
	early := make(chan struct{})
	b.bench.sinch.answer = func(call int, m sinch.Message) message.Outcome {
		if call == 1 && m.SavedID != "" {
			close(early)
			return message.Outcome{Kind: message.OutcomeNotReady, Code: message.ReasonInternal, SinchCode: "E626"}
		}
		return message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T1"}
	}
	all := b.batch(1)
	b.run(t)
	<-early
	ref := b.sinch.saves[0].Ref
	eventually(t, func() bool { // the worker has recorded it
		key := saved.Key(strings.TrimPrefix(ref, "saved-"))
		template, err := saved.NewStore(b.rdb, savedEvents{}, nil).Lookup(t.Context(), key)
		return err == nil && template.State == saved.Waiting
	})
	b.report(ref, "1", true)
	b.wantSent(all, 2, map[string]int{"1": 1})
	b.wantSaves(1)
}

func TestSavedMediaThatAreGoneAreSavedAgain(t *testing.T) {
	t.Parallel()
	gone := message.Outcome{Kind: message.OutcomeGone, Code: message.ReasonInternal, SinchCode: "E241"}
	for name, tc := range map[string]struct {
		gone  map[string]bool
		saves int
		sent  map[string]int
		calls int
	}{
		"once":  {map[string]bool{"1": true}, 2, map[string]int{"2": 10}, 2},
		"twice": {map[string]bool{"1": true, "2": true}, 2, map[string]int{"": 10}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setupSaved(t)
			b.bench.sinch.answer = func(_ int, m sinch.Message) message.Outcome {
				if tc.gone[m.SavedID] {
					return gone
				}
				return message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T1"}
			}
			b.run(t)
			b.wantSent(b.batch(10), tc.calls, tc.sent)
			b.wantSaves(tc.saves)
		})
	}
}

func TestSpoiltMediaAreSavedAgain(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spoilt int
		sent   map[string]int
	}{
		"once":  {1, map[string]int{"2": 10}},
		"twice": {2, map[string]int{"": 10}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setupSaved(t)
			b.sinch.save = func(n int, s sinch.Shared) message.Outcome {
				b.report(s.Ref, strconv.Itoa(n), n > tc.spoilt)
				return message.Outcome{Kind: message.OutcomeAccepted, SinchID: strconv.Itoa(n)}
			}
			b.run(t)
			b.wantSent(b.batch(10), 1, tc.sent)
			b.wantSaves(2)
		})
	}
}

// TestMediaThatCannotBeSavedAreSentAlong: nothing fails for want of a template.
func TestMediaThatCannotBeSavedAreSentAlong(t *testing.T) {
	t.Parallel()
	for _, o := range []message.Outcome{
		{Kind: message.OutcomeRefused, Code: message.ReasonAccount, SinchCode: "E107"},
		{Kind: message.OutcomeNotSent, Code: message.ReasonMedia, SinchCode: "E351"},
		{Kind: message.OutcomeNotSent, Code: message.ReasonInternal},
		{Kind: message.OutcomeUnknown, Code: message.ReasonUnknownOutcome},
	} {
		t.Run(string(o.Kind)+o.SinchCode, func(t *testing.T) {
			t.Parallel()
			b := setupSaved(t)
			b.sinch.save = func(int, sinch.Shared) message.Outcome { return o }
			b.run(t)
			b.wantSent(b.batch(10), 1, map[string]int{"": 10})
			b.wantSaves(1)
		})
	}
}

func TestSavingWaitsForPaceAndAccount(t *testing.T) {
	t.Parallel()
	for _, kind := range []message.OutcomeKind{message.OutcomeThrottled, message.OutcomeAccount} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := setupSaved(t)
			works := b.sinch.save
			b.sinch.save = func(n int, s sinch.Shared) message.Outcome {
				if n == 1 {
					return message.Outcome{Kind: kind, Code: message.ReasonThrottled}
				}
				return works(n, s)
			}
			b.run(t)
			b.wantSent(b.batch(10), 1, map[string]int{"2": 10})
			b.wantSaves(2)
		})
	}
}

// A message without shared media is sent with its media.
func TestSingleMessageIsSentWithItsMedia(t *testing.T) {
	t.Parallel()
	b := setupSaved(t)
	b.run(t)
	m := b.accept(t)
	b.dispatch(t, m)
	b.wantSent([]*message.Message{m}, 1, map[string]int{"": 1})
	b.wantSaves(0)
}

// TestReportsThatNobodyWaitsFor are ignored.
func TestReportsThatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	b := setupSaved(t)
	for _, got := range []receipt.Receipt{
		{Kind: receipt.KindTemplate, Ref: saved.NewKey("x").Ref(), Template: receipt.Template{ID: "1", Ready: true}},
		{Kind: receipt.KindTemplate, Template: receipt.Template{ID: "1"}},
		{Kind: receipt.KindTemplate, Ref: "tmpl-1", Template: receipt.Template{}},
	} {
		if result, err := b.receipts.Apply(t.Context(), got); err != nil || result != receipts.Ignored {
			t.Errorf("%+v: %s, %v", got, result, err)
		}
	}
}
