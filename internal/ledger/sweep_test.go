package ledger_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

const waitingList = ledger.DefaultPrefix + string(ledger.Waiting)

// place sets when the sweeper looks at waiting messages: one a second, up to
// a minute ago.
func place(t *testing.T, rdb *redis.Client, messages ...*message.Message) {
	t.Helper()
	for i, m := range messages {
		at := time.Now().Add(time.Duration(i-len(messages))*time.Second - time.Minute)
		if err := rdb.ZAdd(t.Context(), waitingList, redis.Z{Score: float64(at.UnixMilli()), Member: m.ID.Packed()}).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// Due takes both ends of what is due, and lists no message twice.
func TestDueTakesBothEnds(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	messages := make([]*message.Message, 5)
	for i := range messages {
		messages[i] = accept(t, l, request(""))
	}
	accept(t, l, request("")) // not due
	place(t, rdb, messages...)
	for n, want := range map[int][]int{1: {0, 4}, 2: {0, 1, 4, 3}, 3: {0, 1, 2, 4, 3}, 9: {0, 1, 2, 3, 4}} {
		due, _, err := l.Due(t.Context(), ledger.Waiting, n)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]int, len(due))
		for i, d := range due {
			got[i] = slices.IndexFunc(messages, func(m *message.Message) bool { return m.ID == d.ID })
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d from either end: %v, want %v", n, got, want)
		}
	}
}

func TestRechecks(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	rechecks(t, l, rdb)
}

// rechecks puts down the next looks at many messages: some are put off, some are
// taken off, and those that were changed or taken off meanwhile stay as they are.
func rechecks(t *testing.T, l *ledger.Ledger, rdb *redis.Client) {
	t.Helper()
	const putOff, takenOff, changed, unchanged, gone = 0, 1, 2, 3, 4
	messages := make([]*message.Message, 5)
	for i := range messages {
		messages[i] = accept(t, l, request(""))
	}
	place(t, rdb, messages...)
	due, now, err := l.Due(t.Context(), ledger.Waiting, len(messages))
	if err != nil || len(due) != len(messages) {
		t.Fatalf("%d due, %v", len(due), err)
	}
	at := func(i int) float64 { return rdb.ZScore(t.Context(), waitingList, messages[i].ID.Packed()).Val() }
	reissue := func(m *message.Message, now time.Time) error { return m.Reissue(now) }
	if _, err := l.Update(t.Context(), messages[changed].ID, reissue); err != nil {
		t.Fatal(err)
	}
	rdb.ZRem(t.Context(), waitingList, messages[gone].ID.Packed())
	placed, again := at(changed), now.Add(time.Hour)
	looks := []ledger.Look{
		{Due: due[putOff], Again: again},
		{Due: due[takenOff]},
		{Due: due[changed]},
		{Due: due[gone], Again: again},
	}
	if err := l.CheckAgain(t.Context(), ledger.Waiting, looks); err != nil {
		t.Fatal(err)
	}
	looks = []ledger.Look{{Due: due[changed], Again: again}}
	if err := l.CheckAgain(t.Context(), ledger.Waiting, looks); err != nil {
		t.Fatal(err)
	}
	for i, want := range map[int]float64{putOff: float64(again.UnixMilli()), takenOff: 0, changed: placed, gone: 0} {
		if got := at(i); got != want {
			t.Errorf("message %d is due at %f, want %f", i, got, want)
		}
	}
	if left, _, err := l.Due(t.Context(), ledger.Waiting, len(messages)); err != nil || len(left) != 1 || left[0].ID != messages[unchanged].ID {
		t.Errorf("due: %v, %v", left, err)
	}
	if err := l.CheckAgain(t.Context(), ledger.Waiting, nil); err != nil {
		t.Errorf("nothing to put down: %v", err)
	}
}

// Each message has its own result: one that is gone or unreadable does not hide
// the others.
func TestReadEach(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	gone, unreadable, there := accept(t, l, request("")), accept(t, l, request("")), accept(t, l, request(""))
	rdb.Del(t.Context(), ledger.DefaultPrefix+gone.ID.Identity())
	rdb.Set(t.Context(), ledger.DefaultPrefix+unreadable.ID.Identity(), "1:x:\xff", 0)
	ids := []message.ID{gone.ID, unreadable.ID, there.ID}
	each, err := l.ReadEach(t.Context(), ids)
	if err != nil || len(each) != len(ids) {
		t.Fatalf("%d answers, %v", len(each), err)
	}
	if !errors.Is(each[0].Err, ledger.ErrNotFound) {
		t.Errorf("gone: %v", each[0].Err)
	}
	if each[1].Err == nil || errors.Is(each[1].Err, ledger.ErrNotFound) {
		t.Errorf("unreadable: %v", each[1].Err)
	}
	if each[2].Err != nil || each[2].Value.Message.ID != there.ID {
		t.Errorf("there: %v, %v", each[2].Value.Message, each[2].Err)
	}
	if found, err := l.ReadMany(t.Context(), ids); err != nil || len(found) != 1 || found[0].Message.ID != there.ID {
		t.Errorf("all together: %v, %v", found, err)
	}
}
