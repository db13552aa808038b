package ledger_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

const multiCall = "call_1"

// beginShared begins one call for messages as they were read.
func beginShared(t *testing.T, l *ledger.Ledger, seen []ledger.Snapshot, lease ledger.Lease) ([]ledger.Member, error) {
	t.Helper()
	return l.BeginMany(t.Context(), multiCall, seen, func(m *message.Message, now time.Time) error {
		a := message.Attempt{Worker: lease.Worker, Call: multiCall, Deadline: now.Add(time.Second)}
		return m.Begin(m.Task, a, now)
	}, lease)
}

// acceptMany accepts messages of a batch to different numbers and reads them.
func acceptMany(t *testing.T, l *ledger.Ledger, b ledger.Batch, n int) []ledger.Snapshot {
	t.Helper()
	some := rows(n, "")
	for i := range some {
		some[i].Content.To, some[i].Group = fmt.Sprintf("+1206555%04d", i), "group"
	}
	results, err := l.AcceptRows(t.Context(), b, some)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]message.ID, n)
	for i, r := range results {
		ids[i] = r.Message.ID
	}
	seen, err := l.ReadMany(t.Context(), ids)
	if err != nil || len(seen) != n {
		t.Fatalf("%d of %d read, %v", len(seen), n, err)
	}
	return seen
}

// Each message of a multi-recipient send begins on its own: a message that cannot
// begin is omitted.
func TestSharedBegin(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{OptOutKey: optOutKey})
	b, _ := openBatch(t, l, "", "")
	seen := acceptMany(t, l, b, 1000)
	if group := seen[0].Message.Group; group != "group" {
		t.Errorf("group %q", group)
	}
	const sending, canceled, suppressed, gone = 3, 5, 7, 9
	begin(t, l, seen[sending].Message.ID, "other")
	cancel := func(m *message.Message, now time.Time) error { return m.Cancel(now) }
	if _, err := l.Update(t.Context(), seen[canceled].Message.ID, cancel); err != nil {
		t.Fatal(err)
	}
	rdb.HSet(t.Context(), optOutKey(seen[suppressed].Message.Content.To), "field", "value")
	rdb.Del(t.Context(), ledger.DefaultPrefix+seen[gone].Message.ID.Identity())

	members, err := beginShared(t, l, seen, ledger.Lease{Worker: "w"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]error{suppressed: ledger.ErrSuppressed, gone: ledger.ErrNotFound}
	for i, m := range members {
		switch {
		case i == sending || i == canceled:
			if m.Err == nil {
				t.Errorf("%d began though it was changed", i)
			}
		case want[i] != nil:
			if !errors.Is(m.Err, want[i]) {
				t.Errorf("%d: %v, want %v", i, m.Err, want[i])
			}
		case m.Err != nil || m.Message.Status != message.StatusSending || m.Message.Current().Call != multiCall:
			t.Fatalf("%d: %+v", i, m)
		}
	}
	if last := members[len(members)-1]; last.Begins != 996 || last.Epoch != 997 {
		t.Errorf("%d begins of worker, epoch %d", last.Begins, last.Epoch)
	}
	got := read(t, l, seen[0].Message.ID).Message
	if a := got.Current(); a == nil || a.Call != multiCall || a.Worker != "w" {
		t.Errorf("recorded: %+v", a)
	}
	after, err := l.UpdateFrom(t.Context(), members[0].After, func(m *message.Message, now time.Time) error {
		return m.Conclude(1, message.Outcome{Kind: message.OutcomeAccepted, SinchID: "B"}, message.Retry{}, now)
	})
	if err != nil || after.Status != message.StatusSent {
		t.Errorf("concluded: %+v, %v", after, err)
	}
}

// The attempt of a number is found in each form of the number.
func TestSharedAttempt(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{RecordTTL: time.Hour})
	b, _ := openBatch(t, l, "", "")
	seen := acceptMany(t, l, b, 2)
	if _, err := beginShared(t, l, seen, ledger.Lease{Worker: "w"}); err != nil {
		t.Fatal(err)
	}
	for _, number := range []string{"+12065550001", "12065550001", "0012065550001"} {
		ref, err := l.AttemptOf(t.Context(), multiCall, number)
		if want := seen[1].Message.ID.AttemptRef(1); err != nil || ref != want {
			t.Errorf("%s: %q, %v; want %q", number, ref, err, want)
		}
	}
	for call, number := range map[string]string{multiCall: "12065559999", "call_2": "12065550001"} {
		if ref, err := l.AttemptOf(t.Context(), call, number); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%s of %s: %q, %v", number, call, ref, err)
		}
	}
	if ttl := rdb.TTL(t.Context(), ledger.DefaultPrefix+"call:"+multiCall).Val(); ttl < 7*24*time.Hour {
		t.Errorf("kept for %s", ttl)
	}
	if err := l.IndexCall(t.Context(), "call_2", "+12065550001", "again"); err != nil {
		t.Fatal(err)
	}
	if ref, err := l.AttemptOf(t.Context(), "call_2", "12065550001"); err != nil || ref != "again" {
		t.Errorf("recorded again: %q, %v", ref, err)
	}
}

func TestSharedBeginOfACanceledBatch(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	b, _ := openBatch(t, l, "", "")
	seen := acceptMany(t, l, b, 3)
	rdb.HSet(t.Context(), ledger.DefaultPrefix+"batch:"+b.ID.Identity(), "canceled", 1)
	members, err := beginShared(t, l, seen, ledger.Lease{Worker: "w"})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		if !errors.Is(m.Err, ledger.ErrCanceled) {
			t.Errorf("%v, want ErrCanceled", m.Err)
		}
	}
}

// A Redis that knows less than it has acknowledged begins nothing.
func TestSharedBeginAfterARollback(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{})
	b, _ := openBatch(t, l, "", "")
	members, err := beginShared(t, l, acceptMany(t, l, b, 3), ledger.Lease{Worker: "w", Begins: 1, Epoch: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		if !errors.Is(m.Err, ledger.ErrRollback) {
			t.Errorf("%v, want ErrRollback", m.Err)
		}
	}
}

// TestSharedBeginWithoutRedis: the reply is lost, so any message may have begun.
func TestSharedBeginWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	l, err := ledger.New(server.Client(t), ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := openBatch(t, l, "", "")
	seen := acceptMany(t, l, b, 3)
	server.Stop()
	if _, err := beginShared(t, l, seen, ledger.Lease{Worker: "w"}); !errors.Is(err, ledger.ErrUnavailable) {
		t.Fatalf("%v, want ErrUnavailable", err)
	}
}

// TestSharedBeginWaitsForItsReplica freezes the replica.
func TestSharedBeginWaitsForItsReplica(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t)
	replica := redistest.StartReplicaOf(t, primary)
	l := replicated(t, primary.Client(t))
	b, _ := openBatch(t, l, "", "")
	eventually(t, func() bool { // a replica that is new needs a moment
		_, err := beginShared(t, l, acceptMany(t, l, b, 3), ledger.Lease{Worker: "w"})
		return err == nil
	})
	replica.Freeze()
	_, err := beginShared(t, l, acceptMany(t, l, b, 3), ledger.Lease{Worker: "w"})
	replica.Thaw()
	if !errors.Is(err, ledger.ErrUnavailable) {
		t.Fatalf("begun without a replica: %v", err)
	}
}

// Rows of one call of the script follow one another, also when they are about
// the same record: the second one sees what the first has written.
func TestChangesOfOneMomentFollowOneAnother(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	b, _ := openBatch(t, l, "", "")
	seen := acceptMany(t, l, b, 3)
	members, err := beginShared(t, l, []ledger.Snapshot{seen[0], seen[1], seen[0], seen[2], seen[0]}, ledger.Lease{Worker: "w"})
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range members {
		if repeats := i == 2 || i == 4; repeats != (m.Err != nil) {
			t.Errorf("row %d: %v", i, m.Err)
		}
	}
	if last := members[3]; last.Begins != 3 || last.Epoch != 3 {
		t.Errorf("%d begins of the worker, epoch %d", last.Begins, last.Epoch)
	}
	counts, err := l.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if sending, queued := counts[message.StatusSending][message.Bulk], counts[message.StatusQueued][message.Bulk]; sending != 3 || queued != 0 {
		t.Errorf("%d sending, %d queued", sending, queued)
	}
	for list, want := range map[string]int64{"calls": 3, "waiting:bulk": 0} {
		if n := rdb.ZCard(t.Context(), ledger.DefaultPrefix+list).Val(); n != want {
			t.Errorf("%d messages on the list %s, want %d", n, list, want)
		}
	}
}
