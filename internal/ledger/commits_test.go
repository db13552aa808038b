package ledger

import (
	"errors"
	"testing"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

// TestOnlyItsOwnRowsHearOfANewSecret has two messages share a round trip, one of
// them prepared before its process learned the new secret: the other one is
// written and must not be prepared anew.
func TestOnlyItsOwnRowsHearOfANewSecret(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	l, err := New(rdb, Options{RecordTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if err := rdb.Set(t.Context(), l.key("secret"), "new", 0).Err(); err != nil {
		t.Fatal(err)
	}
	prepared := func(secret string) commit {
		now := time.Now().UTC().Truncate(time.Millisecond)
		id := message.NewID(message.RandomIdentity(), now)
		content := message.Content{To: "+12065551212", Text: "hello", Priority: message.Normal}
		return commit{secret: secret, message: message.New(id, message.Scope{Tenant: "shop"}, content, "+12065550000", now)}
	}
	some := []commit{prepared("new"), prepared("old"), prepared("new")}
	for i, answer := range l.commit(t.Context(), some) {
		_, changed := errors.AsType[*secretError](answer.Err)
		_, err := l.Get(t.Context(), some[i].message.ID)
		if old := some[i].secret == "old"; changed != old || old == (answer.Value == "ok") || errors.Is(err, ErrNotFound) != old {
			t.Errorf("message %d under the %s secret: %q, %v; read back: %v", i, some[i].secret, answer.Value, answer.Err, err)
		}
	}
}
