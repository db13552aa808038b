package ledger

import (
	"errors"
	"testing"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

// TestSecretErrorOfItsOwnRows commits messages under two secrets in one round trip:
// only that of the outdated secret fails, and the others, which are written, must
// not be prepared again.
func TestSecretErrorOfItsOwnRows(t *testing.T) {
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
	commits := []commit{prepared("new"), prepared("old"), prepared("new")}
	for i, answer := range l.commit(t.Context(), commits) {
		_, changed := errors.AsType[*secretError](answer.Err)
		_, err := l.Get(t.Context(), commits[i].message.ID)
		if old := commits[i].secret == "old"; changed != old || old == (answer.Value == "ok") || errors.Is(err, ErrNotFound) != old {
			t.Errorf("message %d under the %s secret: %q, %v; read back: %v", i, commits[i].secret, answer.Value, answer.Err, err)
		}
	}
}
