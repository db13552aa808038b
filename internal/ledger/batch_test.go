package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

func rows(n int, ref string) []ledger.Row {
	out := make([]ledger.Row, n)
	for i := range out {
		r := request("")
		r.Content.Priority = message.Bulk
		if ref != "" {
			r.Content.ClientReference = fmt.Sprintf("%s-%d", ref, i)
		}
		out[i] = ledger.Row{Content: r.Content, From: r.From, Index: int64(i)}
	}
	return out
}

func openBatch(t *testing.T, l *ledger.Ledger, ref, digest string) (ledger.Batch, bool) {
	t.Helper()
	b, known, err := l.OpenBatch(t.Context(), ledger.BatchRequest{
		Scope: message.Scope{Tenant: "shop"}, Reference: ref, Digest: digest, Now: time.Now().UTC().Truncate(time.Millisecond),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b, known
}

func acceptRows(t *testing.T, l *ledger.Ledger, b ledger.Batch, rows []ledger.Row) (accepted, duplicates int, errs []error) {
	t.Helper()
	results, err := l.AcceptRows(t.Context(), b, rows)
	if err != nil || len(results) != len(rows) {
		t.Fatalf("%d results for %d rows, %v", len(results), len(rows), err)
	}
	for _, r := range results {
		switch {
		case r.Err != nil:
			errs = append(errs, r.Err)
		case r.Duplicate:
			duplicates++
		default:
			accepted++
		}
	}
	return accepted, duplicates, errs
}

func TestBatchContinuesWhereItWasCut(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{})
	b, known := openBatch(t, l, "campaign", "")
	if known {
		t.Fatal("a new batch is known")
	}
	all := rows(230, "") // without references: their identity is batch and index
	acceptRows(t, l, b, all[:130])
	again, known := openBatch(t, l, "campaign", "")
	if !known || again.ID != b.ID || again.Total != 130 {
		t.Fatalf("known %v, %+v", known, again)
	}
	accepted, duplicates, errs := acceptRows(t, l, again, all)
	if accepted != 100 || duplicates != 130 || len(errs) > 0 {
		t.Fatalf("%d accepted, %d duplicates, %v", accepted, duplicates, errs)
	}
	got, err := l.GetBatch(t.Context(), b.Scope, b.ID)
	if err != nil || got.Total != 230 || got.Counts[message.StatusQueued] != 230 {
		t.Fatalf("%+v %v", got, err)
	}
}

func TestBatchOfOtherContentIsRefused(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{})
	openBatch(t, l, "campaign", "one")
	_, _, err := l.OpenBatch(t.Context(), ledger.BatchRequest{
		Scope: message.Scope{Tenant: "shop"}, Reference: "campaign", Digest: "two", Now: time.Now(),
	})
	if !errors.Is(err, ledger.ErrReused) {
		t.Fatalf("%v, want ErrReused", err)
	}
	if b, known := openBatch(t, l, "campaign", "one"); !known || b.Digest != "one" {
		t.Fatalf("known %v, %+v", known, b)
	}
}

func TestRowsWithOneReference(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{})
	b, _ := openBatch(t, l, "", "")
	some := rows(3, "r")
	some[1].Content.ClientReference = "r-0"
	some[2].Content.ClientReference, some[2].Content.Text = "r-0", "other"
	accepted, duplicates, errs := acceptRows(t, l, b, some)
	if accepted != 1 || duplicates != 1 || len(errs) != 1 || !errors.Is(errs[0], ledger.ErrReused) {
		t.Fatalf("%d accepted, %d duplicates, %v", accepted, duplicates, errs)
	}
}

func TestBatchCountsFollowItsMessages(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{RecordTTL: time.Minute})
	b, _ := openBatch(t, l, "", "")
	acceptRows(t, l, b, rows(2, ""))
	var ids []message.ID
	if err := l.BatchMessages(t.Context(), b.Scope, b.ID, ledger.BatchRange{Before: -1}, func(_ int64, m *message.Message) bool {
		ids = append(ids, m.ID)
		return true
	}); err != nil || len(ids) != 2 {
		t.Fatalf("%v %v", ids, err)
	}
	for i, id := range ids {
		begin(t, l, id, "w1")
		if _, err := l.Update(t.Context(), id, func(m *message.Message, now time.Time) error {
			return m.Conclude(1, message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T"}, message.Retry{}, now)
		}); err != nil {
			t.Fatal(err)
		}
		got, err := l.GetBatch(t.Context(), b.Scope, b.ID)
		if err != nil || got.Counts[message.StatusSent] != int64(i+1) || got.BegunAt.IsZero() {
			t.Fatalf("%+v %v", got, err)
		}
		ttl := rdb.PTTL(t.Context(), "mms:{m}:batch:"+b.ID.Identity()).Val()
		if open := i == 0; open != (ttl < 0) {
			t.Fatalf("after %d of 2 the batch is kept for %s", i+1, ttl)
		}
	}
}

// TestBatchAnsweredAt: the time of the last outcome of an attempt is the end of the
// batch's rate, and receipts of hours later do not change it.
func TestBatchAnsweredAt(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	b, _ := openBatch(t, l, "", "")
	results, err := l.AcceptRows(t.Context(), b, rows(1, ""))
	if err != nil {
		t.Fatal(err)
	}
	id := results[0].Message.ID
	answered := func() time.Time {
		t.Helper()
		got, err := l.GetBatch(t.Context(), b.Scope, b.ID)
		if err != nil {
			t.Fatal(err)
		}
		return got.AnsweredAt
	}
	change := func(change ledger.Change) {
		t.Helper()
		if _, err := l.Update(t.Context(), id, change); err != nil {
			t.Fatal(err)
		}
	}
	begin(t, l, id, "w1")
	if at := answered(); !at.IsZero() {
		t.Fatalf("answered at %s, before there was an answer", at)
	}
	change(func(m *message.Message, now time.Time) error {
		return m.Conclude(1, message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T"}, message.Retry{}, now)
	})
	if answered().IsZero() {
		t.Fatal("no time of the answer")
	}
	const longAgo = 1000
	if err := rdb.HSet(t.Context(), "mms:{m}:batch:"+b.ID.Identity(), "answered", longAgo).Err(); err != nil {
		t.Fatal(err)
	}
	change(func(m *message.Message, now time.Time) error {
		return m.Receive(message.Receipt{Attempt: 1, State: message.ReceiptDelivered}, now)
	})
	if at := answered(); at.UnixMilli() != longAgo {
		t.Fatalf("a receipt counts as an answer: %s", at)
	}
}

// TestBatchCountsItsCalls: calls that ended count, but not those that are to be
// made again, nor receipts.
func TestBatchCountsItsCalls(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	b, _ := openBatch(t, l, "", "")
	results, err := l.AcceptRows(t.Context(), b, rows(3, ""))
	if err != nil {
		t.Fatal(err)
	}
	for i, kind := range []message.OutcomeKind{message.OutcomeAccepted, message.OutcomeThrottled, message.OutcomeRefused} {
		id := results[i].Message.ID
		begin(t, l, id, "w1")
		if _, err := l.Update(t.Context(), id, func(m *message.Message, now time.Time) error {
			retry := message.Retry{Max: 1, Delay: func(int) time.Duration { return time.Hour }}
			return m.Conclude(1, message.Outcome{Kind: kind, Code: message.ReasonThrottled}, retry, now)
		}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Update(t.Context(), results[0].Message.ID, func(m *message.Message, now time.Time) error {
		return m.Receive(message.Receipt{Attempt: 1, State: message.ReceiptDelivered}, now)
	}); err != nil {
		t.Fatal(err)
	}
	calls := func() (n int64) {
		t.Helper()
		got, err := l.GetBatch(t.Context(), b.Scope, b.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, slot := range got.Calls {
			n += slot.Calls
			if age := time.Since(slot.At); age < 0 || age > time.Minute {
				t.Errorf("a slot of %s", slot.At)
			}
		}
		if (n > 0) != (got.Rate(time.Now()) > 0) {
			t.Errorf("rate %v of %d calls", got.Rate(time.Now()), n)
		}
		return n
	}
	if n := calls(); n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
	// A slot of an older round is begun again.
	for i := range 13 {
		if err := rdb.HSet(t.Context(), "mms:{m}:batch:"+b.ID.Identity(), fmt.Sprintf("rate:%d", i), "").Err(); err != nil {
			t.Fatal(err)
		}
	}
	if n := calls(); n != 0 {
		t.Errorf("%d calls after all slots were emptied", n)
	}
}

func TestCanceledBatchBeginsNoCall(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{})
	b, _ := openBatch(t, l, "", "")
	acceptRows(t, l, b, rows(300, ""))
	if got, err := l.CancelBatch(t.Context(), b.Scope, b.ID); err != nil || !got.Canceled {
		t.Fatalf("%+v %v", got, err)
	}
	if err := l.ContinueCancels(t.Context()); err != nil { // what a busy machine has left to the sweeper
		t.Fatal(err)
	}
	if got, err := l.GetBatch(t.Context(), b.Scope, b.ID); err != nil || got.Counts[message.StatusCanceled] != 300 {
		t.Fatalf("%+v %v", got, err)
	}
	_, _, errs := acceptRows(t, l, b, rows(2, ""))
	if len(errs) != 2 || !errors.Is(errs[0], ledger.ErrCanceled) {
		t.Fatalf("%v, want ErrCanceled twice", errs)
	}
}

func TestBeginIsRefusedInACanceledBatch(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	b, _ := openBatch(t, l, "", "")
	results, err := l.AcceptRows(t.Context(), b, rows(1, ""))
	if err != nil {
		t.Fatal(err)
	}
	if err := rdb.HSet(t.Context(), "mms:{m}:batch:"+b.ID.Identity(), "canceled", 1).Err(); err != nil {
		t.Fatal(err)
	}
	seen, err := l.Read(t.Context(), results[0].Message.ID)
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Begin(t.Context(), seen, func(m *message.Message, now time.Time) error {
		return m.Begin(0, message.Attempt{Worker: "w"}, now)
	}, ledger.Lease{Worker: "w"})
	if !errors.Is(err, ledger.ErrCanceled) {
		t.Fatalf("%v, want ErrCanceled", err)
	}
}

func TestBatchMessagesInOrder(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{})
	b, _ := openBatch(t, l, "", "")
	acceptRows(t, l, b, rows(450, "r"))
	var places []int64
	read := func(before int64, most int) {
		left := most
		if err := l.BatchMessages(t.Context(), b.Scope, b.ID, ledger.BatchRange{Before: before}, func(place int64, m *message.Message) bool {
			if want := fmt.Sprintf("r-%d", place); m.Content.ClientReference != want {
				t.Errorf("place %d holds %s", place, m.Content.ClientReference)
			}
			places = append(places, place)
			left--
			return left > 0
		}); err != nil {
			t.Fatal(err)
		}
	}
	read(-1, 250)
	read(places[len(places)-1], 1000)
	if len(places) != 450 || places[0] != 449 || !slices.IsSortedFunc(places, func(a, b int64) int { return int(b - a) }) {
		t.Fatalf("%d places from %d", len(places), places[0])
	}
}

func TestBatchesAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{})
	var made []message.BatchID
	begun := time.Now().UTC().Truncate(time.Millisecond)
	for i := range 5 {
		b, _, err := l.OpenBatch(t.Context(), ledger.BatchRequest{
			Scope: message.Scope{Tenant: "shop"}, Now: begun.Add(time.Duration(i) * time.Second),
		})
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, b.ID)
	}
	first, complete, err := l.Batches(t.Context(), message.Scope{Tenant: "shop"}, ledger.BatchPosition{}, 3)
	if err != nil || !complete || len(first) != 3 || first[0].ID != made[4] {
		t.Fatalf("%v %v", first, err)
	}
	rest, _, err := l.Batches(t.Context(), message.Scope{Tenant: "shop"},
		ledger.BatchPosition{CreatedAt: first[2].CreatedAt.UnixMilli(), ID: first[2].ID}, 3)
	if err != nil || len(rest) != 2 || rest[1].ID != made[0] {
		t.Fatalf("%v %v", rest, err)
	}
	if others, _, err := l.Batches(t.Context(), message.Scope{Tenant: "other"}, ledger.BatchPosition{}, 3); err != nil || len(others) > 0 {
		t.Fatalf("%v %v", others, err)
	}
}

func TestTenantsGetPartsOfTheirOwn(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{})
	parts := make(map[int]bool)
	for i := range message.BulkShards {
		r := request("")
		r.Scope.Tenant, r.Content.Priority = fmt.Sprintf("tenant-%d", i), message.Bulk
		m := accept(t, l, r)
		got, err := l.Get(t.Context(), m.ID)
		if err != nil {
			t.Fatal(err)
		}
		parts[got.Shard] = true
	}
	if len(parts) != message.BulkShards {
		t.Fatalf("%d tenants share %d parts", message.BulkShards, len(parts))
	}
}

func TestRoomFollowsTheLane(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{LaneLimit: 10})
	b, _ := openBatch(t, l, "", "")
	accepted, _, errs := acceptRows(t, l, b, rows(12, ""))
	if accepted != 10 || len(errs) != 2 || !errors.Is(errs[0], ledger.ErrFull) {
		t.Fatalf("%d accepted, %v", accepted, errs)
	}
	demand := func(p message.Lane, n int) (d ledger.Demand) {
		for range n {
			d.Add(message.Content{Priority: p})
		}
		return d
	}
	if err := l.Fits(t.Context(), b.Scope, demand(message.Bulk, 1)); !errors.Is(err, ledger.ErrFull) {
		t.Errorf("a full lane: %v", err)
	}
	if err := l.Fits(t.Context(), b.Scope, demand(message.High, 10)); err != nil {
		t.Errorf("an empty lane: %v", err)
	}
	if err := l.Fits(t.Context(), b.Scope, demand(message.High, 11)); !errors.Is(err, ledger.ErrFull) {
		t.Errorf("more than a lane takes: %v", err)
	}
}
