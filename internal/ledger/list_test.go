package ledger_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

func recentOf(tb testing.TB, l *ledger.Ledger, scope message.Scope) (recent []*message.Message, complete bool, err error) {
	tb.Helper()
	complete, err = l.Recent(tb.Context(), scope, ledger.Range{}, func(m *message.Message) bool {
		recent = append(recent, m)
		return true
	})
	return recent, complete, err
}

func unknownOf(tb testing.TB, l *ledger.Ledger, scope message.Scope) (unknown []*message.Message, err error) {
	tb.Helper()
	err = l.Unknown(tb.Context(), scope, ledger.Range{}, func(m *message.Message) bool {
		unknown = append(unknown, m)
		return true
	})
	return unknown, err
}

// markUnknown begins a call of a message whose outcome stays unknown.
func markUnknown(t *testing.T, l *ledger.Ledger, m *message.Message) {
	t.Helper()
	begun := begin(t, l, m.ID, "w1")
	if _, err := l.UpdateFrom(t.Context(), begun.After, func(m *message.Message, now time.Time) error {
		return m.Conclude(1, message.Outcome{Kind: message.OutcomeUnknown}, message.Retry{}, now)
	}); err != nil {
		t.Fatal(err)
	}
}

// A list reads no more records at first than are wanted, and no answer of Redis
// exceeds 1 MiB, however large the records are and however few of them match.
func TestListsAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	const large = 60
	for range large {
		r := request("")
		r.Content.Metadata = map[string]string{"k": strings.Repeat("x", 60<<10)}
		accept(t, l, r)
	}
	var seen answers
	rdb.AddHook(&seen)
	list := func(expect, want int) {
		t.Helper()
		n := 0
		if _, err := l.Recent(t.Context(), request("").Scope, ledger.Range{Expect: expect}, func(*message.Message) bool {
			n++
			return n < want
		}); err != nil || n != want {
			t.Errorf("%d of %d, %v", n, want, err)
		}
	}
	list(2, 2)
	if seen.largest > 3*60<<10 {
		t.Errorf("%d bytes were read for two messages", seen.largest)
	}
	list(2, large)
	if _, open, err := l.EraseNumber(t.Context(), request("").Scope, request("").Content.To); err != nil || open != large {
		t.Errorf("the search for a number: %d, %v", open, err)
	}
	if seen.largest > 1<<20 {
		t.Errorf("an answer of %d bytes", seen.largest)
	}
}

// The expired messages of a batch are skipped, or yielded as gaps so that a caller
// can end a search among many of them.
func TestExpiredMessagesOfABatch(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	b, _ := openBatch(t, l, "", "")
	results, err := l.AcceptRows(t.Context(), b, rows(6, "r"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results[1:5] {
		rdb.Del(t.Context(), ledger.DefaultPrefix+r.Message.ID.Identity())
	}
	for gaps, want := range map[bool]string{false: "[5 0]", true: "[5 -4 -3 -2 -1 0]"} {
		var places []int64
		if err := l.BatchMessages(t.Context(), b.Scope, b.ID, ledger.BatchRange{Before: -1, Gaps: gaps}, func(place int64, m *message.Message) bool {
			if m == nil {
				place = -place
			}
			places = append(places, place)
			return true
		}); err != nil || fmt.Sprint(places) != want {
			t.Errorf("gaps %t: %v, %v", gaps, places, err)
		}
	}
}

// A key that holds no record and has a name as long as that of one is skipped.
func TestASearchSkipsWhatIsNoRecord(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	m := accept(t, l, request(""))
	rdb.RPush(t.Context(), ledger.DefaultPrefix+strings.Repeat("x", message.IdentityLength), "no record")
	if erased, open, err := l.EraseNumber(t.Context(), m.Scope, m.Content.To); err != nil || len(erased) != 0 || open != 1 {
		t.Errorf("erased %v, open %d, %v", erased, open, err)
	}
}

// Pages that begin where the one before ended show every message once, newest
// first, also those of one millisecond.
func TestRecentPagesFollowOneAnother(t *testing.T) {
	t.Parallel()
	l, _ := newLedger(t, ledger.Options{})
	at := time.Now().UTC().Truncate(time.Millisecond)
	const n = 120
	want := make(map[message.ID]bool, n)
	for i := range n {
		r := request("")
		r.Now = at.Add(time.Duration(i/10) * time.Millisecond)
		want[accept(t, l, r).ID] = true
	}
	var listed []message.ID
	for after := (ledger.Position{}); ; {
		left := 7
		if _, err := l.Recent(t.Context(), request("").Scope, ledger.Range{After: after, Expect: left}, func(m *message.Message) bool {
			listed = append(listed, m.ID)
			left--
			return left > 0
		}); err != nil {
			t.Fatal(err)
		}
		if left > 0 {
			break
		}
		after = ledger.PositionOf(listed[len(listed)-1])
	}
	for _, id := range listed {
		delete(want, id)
	}
	newestFirst := slices.IsSortedFunc(listed, func(a, b message.ID) int { return b.Created().Compare(a.Created()) })
	if len(listed) != n || len(want) != 0 || !newestFirst {
		t.Errorf("%d listed, %d missing, newest first: %t", len(listed), len(want), newestFirst)
	}
}

// What is unknown is listed whole for each scope, however much of it others have
// and however many messages came later.
func TestUnknownIsListedWholePerScope(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	own := accept(t, l, request("own"))
	markUnknown(t, l, own)
	for i := range 30 {
		r := request(fmt.Sprint(i))
		r.Scope.Tenant = "other"
		markUnknown(t, l, accept(t, l, r))
	}
	if got, err := unknownOf(t, l, own.Scope); err != nil || len(got) != 1 || got[0].ID != own.ID {
		t.Errorf("own: %v, %v", got, err)
	}
	if got, err := unknownOf(t, l, message.Scope{Tenant: "other"}); err != nil || len(got) != 30 {
		t.Errorf("others: %d, %v", len(got), err)
	}
	scopes := []message.Scope{{Tenant: "none"}, own.Scope}
	if oldest, err := l.OldestUnknown(t.Context(), scopes); err != nil || oldest <= 0 {
		t.Errorf("the oldest is %v old, %v", oldest, err)
	}
	if oldest, err := l.OldestUnknown(t.Context(), scopes[:1]); err != nil || oldest != 0 {
		t.Errorf("without unknown messages the oldest is %v old, %v", oldest, err)
	}
	if _, err := l.Update(t.Context(), own.ID, func(m *message.Message, now time.Time) error {
		return m.Conclude(1, message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T1"}, message.Retry{}, now)
	}); err != nil {
		t.Fatal(err)
	}
	if n := rdb.ZCard(t.Context(), ledger.DefaultPrefix+"unknown:"+own.Scope.String()).Val(); n != 0 {
		t.Errorf("%d are listed after the outcome became known", n)
	}
}
