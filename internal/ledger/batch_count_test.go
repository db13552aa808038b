package ledger_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

// TestABatchCountsItsLatestRequest: what an earlier request of the batch accepted
// is no duplicate when it is sent again.
func TestABatchCountsItsLatestRequest(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{})
	b, _ := openBatch(t, l, "campaign", "")
	acceptRows(t, l, b, rows(3, ""))
	for range 2 {
		if err := l.CountBatch(t.Context(), b.Scope, b.ID, ledger.Tally{Accepted: 4, Duplicates: 1, Rejected: 2}); err != nil {
			t.Fatal(err)
		}
		got, err := l.GetBatch(t.Context(), b.Scope, b.ID)
		if err != nil || got.Total != 3 || got.Duplicates() != 2 || got.Rejected != 2 {
			t.Errorf("%+v, %v", got, err)
		}
	}
	gone := message.NewBatchID(message.RandomIdentity(), b.CreatedAt)
	if err := l.CountBatch(t.Context(), b.Scope, gone, ledger.Tally{Accepted: 1, Rejected: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.GetBatch(t.Context(), b.Scope, gone); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("counting made a batch: %v", err)
	}
}

// TestABatchThatIsDoneStaysSo when it is canceled.
func TestABatchThatIsDoneStaysSo(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{})
	b, _ := openBatch(t, l, "", "")
	if _, err := l.CancelBatch(t.Context(), b.Scope, b.ID); !errors.Is(err, ledger.ErrBatchDone) {
		t.Errorf("canceled: %v", err)
	}
	if got, err := l.GetBatch(t.Context(), b.Scope, b.ID); err != nil || got.Canceled {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestAPlaceBeyondTheBatch is its end, at no cost.
func TestAPlaceBeyondTheBatch(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t) // with no commands of other tests
	l, err := ledger.New(rdb, ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := openBatch(t, l, "", "")
	acceptRows(t, l, b, rows(3, ""))
	commands := func() int64 {
		stats, err := rdb.InfoMap(t.Context(), "stats").Result()
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.ParseInt(stats["Stats"]["total_commands_processed"], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before, found := commands(), 0
	err = l.BatchMessages(t.Context(), b.Scope, b.ID, ledger.BatchRange{Before: 1 << 40}, func(int64, *message.Message) bool { found++; return true })
	const few = 20
	if spent := commands() - before; err != nil || found != 3 || spent > few {
		t.Errorf("%d messages, %d commands, %v", found, spent, err)
	}
}
