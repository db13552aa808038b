package ledger_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }

func newLedger(tb testing.TB, opts ledger.Options) (*ledger.Ledger, *redis.Client) {
	tb.Helper()
	rdb := redistest.Shared(tb).Client(tb)
	if opts.RecordTTL == 0 {
		opts.RecordTTL = time.Hour
	}
	l, err := ledger.New(rdb, opts)
	if err != nil {
		tb.Fatal(err)
	}
	return l, rdb
}

func request(ref string) ledger.Request {
	return ledger.Request{
		Scope: message.Scope{Tenant: "shop"},
		Content: message.Content{
			To: "+12065551212", Text: "hello", Media: []string{"https://example.com/a.jpg"}, Priority: message.Normal,
			ClientReference: ref, Metadata: map[string]string{"k": "v"},
		},
		From: "+12065550000",
		Now:  time.Now().UTC().Truncate(time.Millisecond),
	}
}

func accept(tb testing.TB, l *ledger.Ledger, r ledger.Request) *message.Message {
	tb.Helper()
	a, err := l.Accept(tb.Context(), r)
	if err != nil {
		tb.Fatalf("accept: %v", err)
	}
	return a.Message
}

func read(tb testing.TB, l *ledger.Ledger, id message.ID) ledger.Snapshot {
	tb.Helper()
	seen, err := l.Read(tb.Context(), id)
	if err != nil {
		tb.Fatal(err)
	}
	return seen
}

func begin(tb testing.TB, l *ledger.Ledger, id message.ID, worker string) ledger.Begun {
	tb.Helper()
	b, err := l.Begin(tb.Context(), read(tb, l, id), func(m *message.Message, now time.Time) error {
		return m.Begin(m.Task, message.Attempt{Worker: worker, Deadline: now.Add(time.Second)}, now)
	}, ledger.Lease{Worker: worker})
	if err != nil {
		tb.Fatalf("begin: %v", err)
	}
	return b
}

func TestAcceptKeepsTheMessage(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	m := accept(t, l, request("order-1"))
	got, err := l.Get(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, got); diff != "" {
		t.Fatalf("read back (-written +read):\n%s", diff)
	}
	byRef, err := l.ByReference(t.Context(), m.Scope, "order-1")
	if err != nil || byRef.ID != m.ID {
		t.Fatalf("by reference: %v, %v", byRef, err)
	}
	if _, err := l.ByReference(t.Context(), message.Scope{Tenant: "shop", Test: true}, "order-1"); !errors.Is(err, ledger.ErrNotFound) {
		t.Fatalf("a test key finds a live message: %v", err)
	}
	recent, complete, err := recentOf(t, l, m.Scope)
	if err != nil || !complete || len(recent) != 1 || recent[0].ID != m.ID {
		t.Fatalf("recent: %v, %v", recent, err)
	}
	if ttl := rdb.TTL(t.Context(), "mms:{m}:"+m.ID.Identity()).Val(); ttl != -1 {
		t.Fatalf("an open message runs out in %s", ttl)
	}
}

func TestReferenceIsUsedOnce(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{})
	first := accept(t, l, request("order-1"))
	again, err := l.Accept(t.Context(), request("order-1"))
	if err != nil || !again.Duplicate || again.Message.ID != first.ID {
		t.Fatalf("same content: %+v, %v", again, err)
	}
	other := request("order-1")
	other.Content.Text = "bye"
	if _, err := l.Accept(t.Context(), other); !errors.Is(err, ledger.ErrReused) {
		t.Fatalf("other content: %v", err)
	}
	other.Scope.Tenant = "bank"
	if a, err := l.Accept(t.Context(), other); err != nil || a.Duplicate {
		t.Fatalf("other tenant: %+v, %v", a, err)
	}
}

func TestRacingDuplicatesMakeOneMessage(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{})
	var fresh atomic.Int64
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			a, err := l.Accept(t.Context(), request("order-1"))
			if err != nil {
				t.Errorf("accept: %v", err)
			} else if !a.Duplicate {
				fresh.Add(1)
			}
		})
	}
	wg.Wait()
	if fresh.Load() != 1 {
		t.Fatalf("%d messages of one reference", fresh.Load())
	}
}

func TestReferenceIsForgottenWithItsMessage(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{RecordTTL: 50 * time.Millisecond})
	first := accept(t, l, request("order-1"))
	begin(t, l, first.ID, "w1")
	_, err := l.Update(t.Context(), first.ID, func(m *message.Message, now time.Time) error {
		return m.Conclude(1, message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T"}, message.Retry{}, now)
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		_, err := l.Get(t.Context(), first.ID)
		return errors.Is(err, ledger.ErrNotFound)
	})
	second := accept(t, l, request("order-1"))
	if second.ID == first.ID {
		t.Fatal("the reference used again got the old id")
	}
	if _, err := l.Get(t.Context(), first.ID); !errors.Is(err, ledger.ErrNotFound) {
		t.Fatalf("the old id leads to the new message: %v", err)
	}
}

// TestSuccessorIsNotOverwritten: a change of a message that has expired does not
// reach the message that was accepted under its reference since, though both have
// the same version.
func TestSuccessorIsNotOverwritten(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	first := accept(t, l, request("order-1"))
	seen := read(t, l, first.ID)
	rdb.Del(t.Context(), "mms:{m}:"+first.ID.Identity())                                          // it has expired
	eventually(t, func() bool { return time.Now().After(first.CreatedAt.Add(time.Millisecond)) }) // so that the ids differ
	second := accept(t, l, request("order-1"))
	if second.ID == first.ID {
		t.Fatal("both messages have one id")
	}
	if _, err := l.UpdateFrom(t.Context(), seen, (*message.Message).Cancel); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("change of the predecessor: %v", err)
	}
	_, err := l.Begin(t.Context(), seen, func(m *message.Message, now time.Time) error {
		return m.Begin(m.Task, message.Attempt{Worker: "w1", Deadline: now.Add(time.Second)}, now)
	}, ledger.Lease{Worker: "w1"})
	if !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("begin of the predecessor: %v", err)
	}
	if got, err := l.Get(t.Context(), second.ID); err != nil || got.Status != message.StatusQueued || got.Attempts != 0 {
		t.Errorf("successor: %+v, %v", got, err)
	}
}

func TestLaneLimit(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{LaneLimit: 2})
	first := accept(t, l, request(""))
	accept(t, l, request(""))
	if _, err := l.Accept(t.Context(), request("")); !errors.Is(err, ledger.ErrFull) {
		t.Fatalf("third message: %v", err)
	}
	trial := request("")
	trial.Scope.Test = true
	accept(t, l, trial) // does not wait in the lane of live messages
	begin(t, l, first.ID, "w1")
	accept(t, l, request(""))
	counts, err := l.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if counts[message.StatusQueued][message.Normal] != 3 || counts[message.StatusSending][message.Normal] != 1 {
		t.Fatalf("counts %v", counts)
	}
}

func TestClosedLedgerKnowsWhatItHas(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{})
	first := accept(t, l, request("order-1"))
	again, fresh := request("order-1"), request("order-2")
	again.Closed, fresh.Closed = true, true
	if a, err := l.Accept(t.Context(), again); err != nil || !a.Duplicate || a.Message.ID != first.ID {
		t.Fatalf("known reference: %+v, %v", a, err)
	}
	if _, err := l.Accept(t.Context(), fresh); !errors.Is(err, ledger.ErrFull) {
		t.Fatalf("new reference: %v", err)
	}
}

func TestOnlyOneBeginsACall(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{})
	m := accept(t, l, request(""))
	var begun atomic.Int64
	var wg sync.WaitGroup
	seen := read(t, l, m.ID)
	for i := range 32 {
		wg.Go(func() {
			worker := "w" + strconv.Itoa(i)
			_, err := l.Begin(t.Context(), seen, func(m *message.Message, now time.Time) error {
				return m.Begin(0, message.Attempt{Worker: worker, Deadline: now}, now)
			}, ledger.Lease{Worker: worker})
			switch {
			case err == nil:
				begun.Add(1)
			case !errors.Is(err, message.ErrNotWaiting):
				t.Errorf("begin: %v", err)
			}
		})
	}
	wg.Wait()
	if begun.Load() != 1 {
		t.Fatalf("%d calls begun", begun.Load())
	}
}

func TestRollbackIsNoticedAtBegin(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	first, second := accept(t, l, request("")), accept(t, l, request(""))
	b := begin(t, l, first.ID, "w1")
	if err := rdb.Del(t.Context(), "mms:{m}:begins").Err(); err != nil {
		t.Fatal(err)
	}
	_, err := l.Begin(t.Context(), read(t, l, second.ID), func(m *message.Message, now time.Time) error {
		return m.Begin(0, message.Attempt{Worker: "w1"}, now)
	}, ledger.Lease{Worker: "w1", Begins: b.Begins, Epoch: b.Epoch})
	if !errors.Is(err, ledger.ErrRollback) {
		t.Fatalf("begin after a rollback: %v", err)
	}
	if m, err := l.Get(t.Context(), second.ID); err != nil || m.Status != message.StatusQueued {
		t.Fatalf("the call was begun: %v %v", m, err)
	}
}

func TestDueLists(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{Checks: ledger.Checks{Accepted: time.Millisecond, Waiting: time.Hour, Calling: time.Millisecond}})
	m := accept(t, l, request(""))
	isDue := func(list ledger.Queue) func() bool {
		return func() bool {
			due, _, err := l.Due(t.Context(), list, 10)
			if err != nil {
				t.Error(err)
			}
			return len(due) == 1 && due[0].ID == m.ID
		}
	}
	eventually(t, isDue(ledger.Waiting))
	begin(t, l, m.ID, "w1")
	eventually(t, isDue(ledger.Calls))
	if isDue(ledger.Waiting)() {
		t.Fatal("a message that is being sent still waits")
	}
}

func TestUnchangedMessageIsNotWritten(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	m := accept(t, l, request(""))
	before := rdb.Get(t.Context(), "mms:{m}:"+m.ID.Identity()).Val()
	if _, err := l.Update(t.Context(), m.ID, func(*message.Message, time.Time) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if after := rdb.Get(t.Context(), "mms:{m}:"+m.ID.Identity()).Val(); after != before {
		t.Fatalf("written again: %s", after)
	}
}

func TestLostRedisIsUnavailable(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	l, err := ledger.New(srv.Client(t), ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	m := accept(t, l, request(""))
	srv.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := l.Accept(ctx, request("")); !errors.Is(err, ledger.ErrUnavailable) {
		t.Fatalf("accept: %v", err)
	}
	srv.Restart()
	eventually(t, func() bool {
		_, err := l.Get(t.Context(), m.ID)
		return err == nil
	})
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

// TestChecksFollowTheMessage: a late sweeper must not remove a message from the
// place where a change has put it.
func TestChecksFollowTheMessage(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{Checks: ledger.Checks{Accepted: time.Millisecond, Waiting: time.Hour, Calling: time.Millisecond}})
	m := accept(t, l, request(""))
	begin(t, l, m.ID, "w1")
	change := func(change ledger.Change) {
		t.Helper()
		if _, err := l.Update(t.Context(), m.ID, change); err != nil {
			t.Fatal(err)
		}
	}
	change(func(m *message.Message, now time.Time) error {
		return m.Conclude(1, message.Outcome{Kind: message.OutcomeUnknown}, message.Retry{}, now)
	})
	var due []ledger.Due
	eventually(t, func() bool {
		var err error
		due, _, err = l.Due(t.Context(), ledger.Unknown, 10)
		return err == nil && len(due) == 1
	})
	change(func(m *message.Message, now time.Time) error { return m.Restore(message.Attempt{N: 2}, now) }) // another call of it
	list := ledger.DefaultPrefix + string(ledger.Unknown)
	placed := rdb.ZScore(t.Context(), list, m.ID.Packed()).Val()
	for _, at := range []time.Time{{}, time.Now().Add(time.Hour)} {
		if err := l.CheckAgain(t.Context(), ledger.Unknown, []ledger.Recheck{{Due: due[0], At: at}}); err != nil {
			t.Fatal(err)
		}
		if now := rdb.ZScore(t.Context(), list, m.ID.Packed()).Val(); now != placed {
			t.Errorf("moved from %f to %f", placed, now)
		}
	}
	if unknown, err := unknownOf(t, l, m.Scope); err != nil || len(unknown) != 1 || unknown[0].ID != m.ID {
		t.Errorf("%v %v", unknown, err)
	}
}
