package suppression

import (
	"slices"
	"testing"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
)

// told are the events of a store by scope, as the elements of its outbox.
type told struct{ scopes []message.Scope }

func (e told) Scopes() []message.Scope { return e.scopes }

func (e told) OptOut(scope message.Scope, added bool, entry Entry, _ time.Time) (string, error) {
	if !slices.Contains(e.scopes, scope) {
		return "", nil
	}
	sign := "-"
	if added {
		sign = "+"
	}
	return sign + scope.String() + " " + entry.Sender + " " + entry.Reason, nil
}

// withEvents gives a store an outbox and returns its elements since the last call.
func (b *bundle) withEvents(tb testing.TB, scopes ...message.Scope) (taken func() []string) {
	tb.Helper()
	const outbox = redisconn.KeyPrefix + "outbox of a test"
	b.events, b.outbox = told{scopes}, outbox
	return func() []string {
		tb.Helper()
		elements, err := b.rdb.LRange(tb.Context(), outbox, 0, -1).Result()
		if err != nil {
			tb.Fatal(err)
		}
		if err := b.rdb.Del(tb.Context(), outbox).Err(); err != nil {
			tb.Fatal(err)
		}
		slices.Sort(elements)
		return elements
	}
}

func TestChangesBecomeEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.senders = message.SenderTenants{code: {"bank"}}
	taken := b.withEvents(t, shop, shopTest, bank)
	steps := []struct {
		name string
		do   func() error
		want []string
	}{
		{
			"an opt-out of a caller", func() error { _, _, err := b.Put(t.Context(), shop, phone, sender, "asked"); return err },
			[]string{"+shop:live " + sender + " asked"},
		},
		{"the same again", func() error { _, _, err := b.Put(t.Context(), shop, phone, sender, "again"); return err }, nil},
		{"a scope without events", func() error {
			_, _, err := b.Put(t.Context(), message.Scope{Tenant: "other"}, phone, "", "")
			return err
		}, nil},
		{"its end", func() error { return b.Delete(t.Context(), shop, phone, sender) }, []string{"-shop:live " + sender + " again"}},
		{"its end again", func() error { return b.Delete(t.Context(), shop, phone, sender) }, nil},
		{
			"a STOP", func() error { return b.word(t, Stop, sender) },
			[]string{"+bank:live " + sender + " WORD", "+shop:live " + sender + " WORD"},
		},
		{"a second STOP", func() error { return b.word(t, Stop, sender) }, nil},
		{"a tenant's end of it", func() error { return b.Delete(t.Context(), shop, phone, "") }, []string{"-shop:live " + sender + " WORD"}},
		{"a STOP after it", func() error { return b.word(t, Stop, sender) }, []string{"+shop:live " + sender + " WORD"}},
		{
			"a START", func() error { return b.word(t, Start, sender) },
			[]string{"-bank:live " + sender + " WORD", "-shop:live " + sender + " WORD"},
		},
		{"a START without a STOP", func() error { return b.word(t, Start, sender) }, nil},
		{"a STOP to a sender of one tenant", func() error { return b.word(t, Stop, code) }, []string{"+bank:live " + code + " WORD"}},
		{
			"a block of Sinch", func() error { return b.Block(t.Context(), shopTest, phone, sender, "E114") },
			[]string{"+shop:test " + sender + " E114"},
		},
		{"a live block", func() error { return b.Block(t.Context(), bank, phone, sender, "E114") }, []string{"+bank:live " + sender + " E114"}},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := taken(); !slices.Equal(got, step.want) {
			t.Errorf("%s: events %q, want %q", step.name, got, step.want)
		}
	}
}

// word records a keyword of the phone.
func (b *bundle) word(tb testing.TB, meaning Meaning, from string) error {
	tb.Helper()
	return b.HandleInbound(tb.Context(), Inbound{Number: phone, Sender: from, Meaning: meaning, Word: "WORD"})
}

func TestServiceAnswersAfterAStop(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if err := b.word(t, Stop, sender); err != nil {
		t.Fatal(err)
	}
	for scope, want := range map[message.Scope]bool{shop: true, message.ServiceScope(): false} {
		if got, err := b.Suppressed(t.Context(), scope, phone, sender); got != want || err != nil {
			t.Errorf("%s: suppressed %v, %v", scope, got, err)
		}
	}
}
