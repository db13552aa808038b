package httpapi_test

import (
	"net/http"
	"testing"

	"mmsdispatch/internal/message"
)

const eraseNumber = "/v1/messages?to=%2B12065551212"

// inLog is a message as the log has it.
func (b *logged) inLog(t *testing.T, id message.ID) *message.Message {
	t.Helper()
	m, err := b.log.Message(t.Context(), message.Scope{Tenant: "shop"}, id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// An erased message is erased in the log when the request is answered, whether the log
// had it before or not.
func TestEraseReachesLog(t *testing.T) {
	t.Parallel()
	b := setupLog(t, migrated(t), atOnce)
	written, fresh := b.create(t, `"text":"very private"`), b.create(t, `"text":"very private"`)
	b.write(t)
	for _, id := range []message.ID{written, fresh} {
		path := "/v1/messages/" + string(id)
		b.do(t, remove(path)).refused(t, http.StatusConflict, "not_erasable")
		b.cancel(t, id)
		b.do(t, remove(path)).none(t)
		if m := b.inLog(t, id); m.Content.Text != "" || m.Content.To != "+1…12" || m.RedactedAt.IsZero() {
			t.Errorf("the log has %+v", m.Content)
		}
		b.do(t, remove(path)).none(t)
	}
	unknown := remove("/v1/messages/" + string(message.NewID(message.RandomIdentity(), b.now)))
	b.do(t, unknown).refused(t, http.StatusNotFound, "not_found")
}

// A person's messages are counted once, wherever they are, and are erased in the log
// when the request is answered.
func TestErasePersonReachesLog(t *testing.T) {
	t.Parallel()
	b := setupLog(t, migrated(t), atOnce)
	gone, current, open := b.create(t, ""), b.create(t, ""), b.create(t, "")
	b.cancel(t, gone)
	b.write(t)
	b.cancel(t, current)
	if got := b.do(t, remove(eraseNumber)).ok(t, http.StatusOK); got["erased"] != 2.0 || got["open"] != 1.0 {
		t.Errorf("%v", got)
	}
	for id, want := range map[message.ID]string{gone: "+1…12", current: "+1…12", open: "+12065551212"} {
		if m := b.inLog(t, id); m.Content.To != want {
			t.Errorf("the log has %s, want %s", m.Content.To, want)
		}
	}
	if got := b.do(t, remove(eraseNumber)).ok(t, http.StatusOK); got["erased"] != 0.0 || got["open"] != 1.0 {
		t.Errorf("again: %v", got)
	}
}

// While PostgreSQL is away an erasure says so. Redis is erased all the same.
func TestEraseWhileLogIsAway(t *testing.T) {
	t.Parallel()
	b := setupLog(t, "postgres://nobody@127.0.0.1:1/none", atOnce)
	id, open := b.create(t, ""), b.create(t, "")
	b.cancel(t, id)
	path := "/v1/messages/" + string(id)
	b.do(t, remove("/v1/messages/"+string(open))).refused(t, http.StatusConflict, "not_erasable")
	for range 2 {
		b.do(t, remove(path)).refused(t, http.StatusServiceUnavailable, "unavailable")
		if got := b.do(t, get(path)).ok(t, http.StatusOK); got["to"] != "+1…12" {
			t.Errorf("Redis has %v", got)
		}
	}
	b.do(t, remove(eraseNumber)).refused(t, http.StatusServiceUnavailable, "unavailable")
}
