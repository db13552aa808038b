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

// waitingList is the list of the lane of a message.
func waitingList(m *message.Message) string {
	return ledger.DefaultPrefix + string(ledger.Waiting) + ":" + string(m.Content.Priority)
}

// place sets since when waiting messages are due: one a second, up to a minute
// ago.
func place(t *testing.T, rdb *redis.Client, messages ...*message.Message) {
	t.Helper()
	for i, m := range messages {
		at := time.Now().Add(time.Duration(i-len(messages))*time.Second - time.Minute)
		if err := rdb.ZAdd(t.Context(), waitingList(m), redis.Z{Score: float64(at.UnixMilli()), Member: m.ID.Packed()}).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// indexes are the places of due messages among messages.
func indexes(due []ledger.Due, messages []*message.Message) []int {
	got := make([]int, len(due))
	for i, d := range due {
		got[i] = slices.IndexFunc(messages, func(m *message.Message) bool { return m.ID == d.ID })
	}
	return got
}

// Due lists both ends of the due messages, and no message twice.
func TestDueTakesBothEnds(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	messages := make([]*message.Message, 5)
	for i := range messages {
		messages[i] = accept(t, l, request(""))
		at := time.Now().Add(time.Duration(i-len(messages)) * time.Second)
		rdb.ZAdd(t.Context(), ledger.DefaultPrefix+string(ledger.Unknown), redis.Z{Score: float64(at.UnixMilli()), Member: messages[i].ID.Packed()})
	}
	for n, want := range map[int][]int{1: {0, 4}, 2: {0, 1, 4, 3}, 3: {0, 1, 2, 4, 3}, 9: {0, 1, 2, 3, 4}} {
		due, _, err := l.Due(t.Context(), ledger.Unknown, n)
		if err != nil {
			t.Fatal(err)
		}
		if got := indexes(due, messages); !slices.Equal(got, want) {
			t.Errorf("%d from either end: %v, want %v", n, got, want)
		}
	}
}

// A cycle lists every waiting message that is due once, the newest first, however
// many wait; a message that becomes due meanwhile is listed before the rest.
func TestWaitingMessagesAreListedInCycles(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{Checks: ledger.Checks{Accepted: time.Second, Waiting: time.Hour, Calling: time.Second}})
	messages := make([]*message.Message, 7)
	for i := range messages {
		messages[i] = accept(t, l, request(""))
	}
	place(t, rdb, messages[:6]...)
	var listed []int
	for range 2 {
		due, _, err := l.Due(t.Context(), ledger.Waiting, 1)
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, indexes(due, messages)...)
	}
	if want := []int{4, 5, 2, 3}; !slices.Equal(listed, want) {
		t.Errorf("%v, want %v", listed, want)
	}
	eventually(t, func() bool { // the last one becomes due
		due, _, err := l.Due(t.Context(), ledger.Waiting, 1)
		if err != nil {
			t.Error(err)
		}
		listed = append(listed, indexes(due, messages)...)
		return slices.Contains(listed, 6) && slices.Contains(listed, 0)
	})
	slices.Sort(listed)
	if want := []int{0, 1, 2, 3, 4, 5, 6}; !slices.Equal(listed, want) {
		t.Errorf("%v, want each once", listed)
	}
}

func TestRechecks(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	rechecks(t, l, rdb)
}

// rechecks sets the next checks of many messages: some are removed from their list,
// and those that stay, or were changed or removed meanwhile, do not move.
func rechecks(t *testing.T, l *ledger.Ledger, rdb *redis.Client) {
	t.Helper()
	const stays, removed, changed, gone = 0, 1, 2, 3
	messages := make([]*message.Message, 4)
	for i := range messages {
		messages[i] = accept(t, l, request(""))
	}
	place(t, rdb, messages...)
	due, now, err := l.Due(t.Context(), ledger.Waiting, len(messages))
	if err != nil || !slices.Equal(indexes(due, messages), []int{stays, removed, changed, gone}) {
		t.Fatalf("due: %v, %v", indexes(due, messages), err)
	}
	at := func(i int) float64 {
		return rdb.ZScore(t.Context(), waitingList(messages[i]), messages[i].ID.Packed()).Val()
	}
	reissue := func(m *message.Message, now time.Time) error { return m.Reissue(now) }
	if _, err := l.Update(t.Context(), messages[changed].ID, reissue); err != nil {
		t.Fatal(err)
	}
	rdb.ZRem(t.Context(), waitingList(messages[gone]), messages[gone].ID.Packed())
	before := map[int]float64{stays: at(stays), removed: 0, changed: at(changed), gone: 0}
	checks := []ledger.Recheck{{Due: due[stays], At: now.Add(time.Hour)}, {Due: due[removed]}, {Due: due[changed]}, {Due: due[gone]}}
	if err := l.CheckAgain(t.Context(), ledger.Waiting, checks); err != nil {
		t.Fatal(err)
	}
	for i, want := range before {
		if got := at(i); got != want {
			t.Errorf("message %d is due at %f, want %f", i, got, want)
		}
	}
	if err := l.CheckAgain(t.Context(), ledger.Waiting, nil); err != nil {
		t.Errorf("nothing to set: %v", err)
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
