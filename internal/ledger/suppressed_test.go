package ledger_test

import (
	"errors"
	"testing"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

func optOutKey(number string) string { return ledger.DefaultPrefix + "out:" + number }

// The worker has to check the opt-outs before it sends to a number that has any;
// other numbers need no check.
func TestSuppressed(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{OptOutKey: optOutKey})
	early := accept(t, l, request(""))
	if err := rdb.HSet(t.Context(), optOutKey(early.Content.To), "field", "value").Err(); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"", "order-1"} {
		if a, err := l.Accept(t.Context(), request(ref)); err != nil || !a.Suppressed || a.Duplicate {
			t.Errorf("accepted %+v, %v; want it suppressed", a, err)
		}
	}
	if a, err := l.Accept(t.Context(), request("order-1")); err != nil || a.Suppressed || !a.Duplicate {
		t.Errorf("repeated: %+v, %v; want a duplicate", a, err)
	}
	other := request("")
	other.Content.To = "+12065551213"
	if a, err := l.Accept(t.Context(), other); err != nil || a.Suppressed {
		t.Errorf("another number: %+v, %v", a, err)
	}

	start := func(m *message.Message, now time.Time) error {
		return m.Begin(m.Task, message.Attempt{Worker: "w", Deadline: now.Add(time.Second)}, now)
	}
	lease := ledger.Lease{Worker: "w"}
	seen := read(t, l, early.ID)
	if _, err := l.Begin(t.Context(), seen, start, lease); !errors.Is(err, ledger.ErrSuppressed) {
		t.Errorf("begin: %v, want ErrSuppressed", err)
	}
	if m := read(t, l, early.ID).Message; m.Status != message.StatusQueued || m.Attempts != 0 {
		t.Errorf("suppressed, yet %s after %d attempts", m.Status, m.Attempts)
	}
	if begun, err := l.Begin(t.Context(), seen.Cleared(), start, lease); err != nil || begun.Message.Status != message.StatusSending {
		t.Errorf("cleared: %+v, %v", begun, err)
	}
	if _, err := l.Update(t.Context(), early.ID, func(m *message.Message, now time.Time) error {
		return m.Conclude(1, message.Outcome{Kind: message.OutcomeAccepted}, message.Retry{}, now)
	}); err != nil {
		t.Errorf("other changes are refused: %v", err)
	}
}

func TestSuppressedRows(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{OptOutKey: optOutKey})
	b, _ := openBatch(t, l, "", "")
	some := rows(120, "")
	for _, i := range []int{3, 99} {
		some[i].Content.To = "+12065559999"
	}
	if err := rdb.HSet(t.Context(), optOutKey("+12065559999"), "field", "value").Err(); err != nil {
		t.Fatal(err)
	}
	results, err := l.AcceptRows(t.Context(), b, some)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if want := i == 3 || i == 99; r.Err != nil || r.Suppressed != want {
			t.Errorf("row %d: suppressed %t, %v; want %t", i, r.Suppressed, r.Err, want)
		}
	}
}
