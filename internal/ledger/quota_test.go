package ledger_test

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

// TestQuotaHoldsOverReplicas: callers of several processes get exactly as many
// messages as the quota has, batches with reservations among them, and none twice.
func TestQuotaHoldsOverReplicas(t *testing.T) {
	t.Parallel()
	const daily, callers, each, reserved = 100, 6, 40, 30
	rdb := redistest.Shared(t).Client(t)
	scope := message.Scope{Tenant: "shop"}
	var accepted, refused, whole atomic.Int64
	var all sync.WaitGroup
	for caller := range callers {
		l, err := ledger.New(rdb, ledger.Options{RecordTTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		q := ledger.Quota{Name: "k", Daily: daily}
		all.Go(func() {
			for i := range each {
				content := message.Content{To: "+12065551212", Priority: message.Normal, ClientReference: strconv.Itoa(caller) + "-" + strconv.Itoa(i/2)}
				a, err := l.Accept(t.Context(), ledger.Request{Scope: scope, Content: content, Now: time.Now(), Quota: q})
				switch {
				case errors.Is(err, ledger.ErrQuota):
					refused.Add(1)
				case err != nil:
					t.Error(err)
				case !a.Duplicate:
					accepted.Add(1)
				}
			}
		})
		all.Go(func() {
			q := q
			q.Hold = "batch" + strconv.Itoa(caller)
			if err := l.Reserve(t.Context(), q, reserved); errors.Is(err, ledger.ErrQuota) {
				return
			} else if err != nil {
				t.Error(err)
			}
			b, _, err := l.OpenBatch(t.Context(), ledger.BatchRequest{Scope: scope, Now: time.Now()})
			if err != nil {
				t.Error(err)
			}
			b.Quota = q
			rows := make([]ledger.Row, reserved)
			for i := range rows {
				rows[i].Content = message.Content{To: "+12065551212", Priority: message.Bulk}
			}
			results, err := l.AcceptRows(t.Context(), b, rows)
			if err != nil {
				t.Error(err)
			}
			for _, r := range results {
				if r.Err != nil {
					t.Errorf("a reserved row was refused: %v", r.Err)
				}
			}
			whole.Add(1)
			if err := l.Reserve(t.Context(), q, 0); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := accepted.Load() + reserved*whole.Load(); got > daily {
		t.Errorf("%d messages of a quota of %d", got, daily)
	}
	l, err := ledger.New(rdb, ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	left := daily - accepted.Load() - reserved*whole.Load()
	for n := int64(0); ; n++ { // what the reservations gave back
		_, err := l.Accept(t.Context(), ledger.Request{
			Scope: scope, Content: message.Content{To: "+12065551212", Priority: message.Normal}, Now: time.Now(), Quota: ledger.Quota{Name: "k", Daily: daily},
		})
		if errors.Is(err, ledger.ErrQuota) {
			if n != left {
				t.Errorf("%d were left, want %d", n, left)
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if a, err := l.Accept(t.Context(), ledger.Request{
		Scope: scope, Content: message.Content{To: "+12065551212", Priority: message.Normal, ClientReference: "other"}, Now: time.Now(),
		Quota: ledger.Quota{Name: "another", Daily: 1},
	}); err != nil || a.Duplicate {
		t.Errorf("another key: %v", err)
	}
}

// TestUsageCountsEvents: each message counts under what happened to it.
func TestUsageCountsEvents(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	l, err := ledger.New(rdb, ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	scope := message.Scope{Tenant: "shop", Test: true}
	accept := func() *message.Message {
		a, err := l.Accept(t.Context(), ledger.Request{Scope: scope, Content: message.Content{To: "+12065551212", Priority: message.Normal}, Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		return a.Message
	}
	canceled, delivered := accept(), accept()
	if _, err := l.Update(t.Context(), canceled.ID, (*message.Message).Cancel); err != nil {
		t.Fatal(err)
	}
	for _, status := range []message.Status{message.StatusSending, message.StatusDelivered} {
		if _, err := l.Update(t.Context(), delivered.ID, func(m *message.Message, _ time.Time) error {
			m.Status = status
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.CountDuplicate(t.Context(), scope); err != nil {
		t.Fatal(err)
	}
	today := time.Now().UTC()
	usage, err := l.Usage(t.Context(), scope, today.AddDate(0, 0, -1), 3)
	if err != nil {
		t.Fatal(err)
	}
	sum := ledger.Usage{Entered: map[message.Status]int64{}}
	for _, u := range usage { // the test may run over midnight
		sum.Accepted, sum.Duplicates, sum.Rejected = sum.Accepted+u.Accepted, sum.Duplicates+u.Duplicates, sum.Rejected+u.Rejected
		for status, n := range u.Entered {
			sum.Entered[status] += n
		}
	}
	if sum.Accepted != 2 || sum.Duplicates != 1 || sum.Entered[message.StatusCanceled] != 1 || sum.Entered[message.StatusSent] != 1 ||
		sum.Entered[message.StatusDelivered] != 1 || sum.Entered[message.StatusSending] != 0 {
		t.Errorf("%+v", sum)
	}
	if other, err := l.Usage(t.Context(), message.Scope{Tenant: "shop"}, today, 1); err != nil || other[0].Accepted != 0 {
		t.Errorf("%+v, %v", other, err)
	}
}
