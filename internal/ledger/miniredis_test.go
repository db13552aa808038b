package ledger_test

import (
	"errors"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// TestEmbeddedRedis holds the scripts against the Redis of the development mode.
func TestEmbeddedRedis(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	l, err := ledger.New(rdb, ledger.Options{RecordTTL: time.Hour, Embedded: true})
	if err != nil {
		t.Fatal(err)
	}
	m := accept(t, l, request("order-1"))
	begin(t, l, m.ID, "w1")
	sent, err := l.Update(t.Context(), m.ID, func(m *message.Message, now time.Time) error {
		return m.Conclude(1, message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T"}, message.Retry{}, now)
	})
	if err != nil || sent.Status != message.StatusSent {
		t.Fatalf("%v %v", sent, err)
	}
	rechecks(t, l, rdb)
	b, _ := openBatch(t, l, "campaign", "")
	if accepted, _, errs := acceptRows(t, l, b, rows(60, "")); accepted != 60 {
		t.Fatalf("%d of 60 rows accepted, %v", accepted, errs)
	}
	gone := b
	gone.ID = message.NewBatchID(message.RandomIdentity(), time.Now())
	if _, err := l.AcceptRows(t.Context(), gone, rows(1, "")); !errors.Is(err, ledger.ErrUnavailable) {
		t.Fatalf("rows of a batch that there is not: %v", err)
	}
}
