package message

import (
	"strconv"
	"testing"
	"time"
)

// An entry keeps its number while others are removed from the middle.
func TestEntryNumbersNeverChange(t *testing.T) {
	t.Parallel()
	m := &Message{Status: StatusQueued}
	now := time.UnixMilli(1).UTC()
	const all = timelineHead + timelineTail + 7
	for i := range all {
		m.note(now, strconv.Itoa(i+1), 0)
	}
	for i, e := range m.Timeline {
		if n := m.EntryNumber(i); strconv.Itoa(n) != e.Detail {
			t.Errorf("entry %d has number %d, want %s", i, n, e.Detail)
		}
	}
	if m.EntryNumber(len(m.Timeline)-1) != all {
		t.Errorf("%d entries dropped", m.Dropped)
	}
}

func TestChangedEntries(t *testing.T) {
	t.Parallel()
	m := &Message{Status: StatusQueued}
	now := time.UnixMilli(1).UTC()
	m.note(now, "accepted", 0)
	m.note(now, "deferred", 0)
	if err := m.move(now, StatusSending, OnBegin, "attempt begun", 1); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false, true} {
		if m.Changed(i, "") != want {
			t.Errorf("entry %d: changed %t, want %t", i, !want, want)
		}
	}
	for len(m.Timeline) < timelineHead+timelineTail || m.Dropped == 0 {
		m.note(now, "note", 0)
	}
	if !m.Changed(timelineHead, StatusQueued) || m.Changed(timelineHead, StatusSending) {
		t.Error("the first entry after the gap does not follow the state before it")
	}
}

// Every step of a message's life can be shown as it was.
func TestAsOfAnEarlierChange(t *testing.T) {
	t.Parallel()
	at := func(s int64) time.Time { return time.Unix(s, 0).UTC() }
	m := New(NewID(RandomIdentity(), at(1)), Scope{Tenant: "shop"}, Content{}, "", at(1))
	retry := Retry{Max: 1, Delay: func(int) time.Duration { return time.Second }}
	steps := []func() error{
		func() error { return m.Begin(0, Attempt{}, at(2)) },
		func() error {
			return m.Conclude(1, Outcome{Kind: OutcomeNotSent, Code: ReasonInternal, Detail: "reset"}, retry, at(3))
		},
		func() error { return m.Begin(0, Attempt{}, at(5)) },
		func() error { return m.Conclude(2, Outcome{Kind: OutcomeAccepted, SinchID: "T"}, retry, at(6)) },
		func() error {
			return m.Receive(Receipt{Attempt: 2, State: ReceiptUndelivered, Code: ReasonCarrier, SinchCode: "N103"}, at(7))
		},
		func() error { return m.Receive(Receipt{Attempt: 2, State: ReceiptDelivered}, at(8)) },
	}
	want := []*Message{m.Clone()}
	for i, step := range steps {
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		want = append(want, m.Clone())
	}
	for i, w := range want {
		got := m.AsOf(i)
		if got.Status != w.Status || got.Attempts != w.Attempts || !got.UpdatedAt.Equal(w.UpdatedAt) || !got.SentAt.Equal(w.SentAt) ||
			!got.FinalAt.Equal(w.FinalAt) || got.SinchID != w.SinchID || len(got.Timeline) != len(w.Timeline) {
			t.Errorf("entry %d: %+v, want %+v", i, got, w)
		}
		if (got.Reason == nil) != (w.Reason == nil) || got.Reason != nil && got.Reason.Code != w.Reason.Code {
			t.Errorf("entry %d: reason %+v, want %+v", i, got.Reason, w.Reason)
		}
	}
}
