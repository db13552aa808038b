package messagelog_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// Problems are counted by state, reason, code and carrier, and by the hour in which
// their messages were accepted.
func TestProblems(t *testing.T) {
	t.Parallel()
	b := setup(t)
	now := time.Now().UTC().Truncate(time.Millisecond)
	fail := func(ago time.Duration, scope message.Scope) *message.Message {
		m := b.accept(t, func(r *ledger.Request) { r.Now, r.Scope = now.Add(-ago), scope })
		b.step(t, m.ID, begin)
		b.step(t, m.ID, refused)
		return m
	}
	first := fail(90*time.Minute, shop())
	last := fail(70*time.Minute, shop())
	recent := fail(time.Minute, shop())
	fail(30*time.Hour, shop())                            // too old
	fail(time.Minute, message.Scope{Tenant: "not asked"}) // another tenant
	fine := b.accept(t)
	for _, change := range []ledger.Change{begin, accepted, delivered} {
		b.step(t, fine.ID, change)
	}
	b.round(t)
	got, err := b.log.Problems(t.Context(), []message.Scope{shop(), {Tenant: "shop", Test: true}},
		[]message.Status{message.StatusFailed, message.StatusUndelivered}, now, 24)
	must(t, err)
	byHour := make(map[int]int64)
	for _, p := range got {
		byHour[p.Ago] = p.Count
		if p.Scope != shop() || p.Status != message.StatusFailed || p.Reason != message.ReasonRecipient || p.SinchCode != "E110" ||
			p.Operator != "" || p.Text != "not a mobile number" {
			t.Errorf("%+v", p)
		}
		if p.Ago == 1 && (!p.First.Equal(first.CreatedAt) || !p.Last.Equal(last.CreatedAt)) {
			t.Errorf("%+v, of %v to %v", p, first.CreatedAt, last.CreatedAt)
		}
		if p.Ago == 0 && !p.Last.Equal(recent.CreatedAt) {
			t.Errorf("%+v, want %v", p, recent.CreatedAt)
		}
	}
	if diff := cmp.Diff(map[int]int64{0: 1, 1: 2}, byHour); diff != "" {
		t.Error(diff)
	}
}
