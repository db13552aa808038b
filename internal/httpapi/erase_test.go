package httpapi_test

import (
	"net/http"
	"testing"
	"time"

	"mmsdispatch/internal/message"
)

func TestEraseMessage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.create(t, `"text":"very private"`)
	path := "/v1/messages/" + string(id)
	b.do(t, remove(path)).refused(t, http.StatusConflict, "not_erasable")
	b.do(t, remove(path+"?force=yes")).invalid(t)
	if _, err := b.ledger.Update(t.Context(), id, func(m *message.Message, now time.Time) error { return m.Cancel(now) }); err != nil {
		t.Fatal(err)
	}
	foreign := remove(path)
	foreign.key = otherKey
	b.do(t, foreign).refused(t, http.StatusNotFound, "not_found")
	for range 2 {
		if got := b.do(t, remove(path)); got.status != http.StatusNoContent || len(got.body) != 0 {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	if len(b.events.erased) != 2 || b.events.erased[0] != id {
		t.Errorf("the events of %v are erased", b.events.erased)
	}
	got := b.do(t, get(path)).ok(t, http.StatusOK)
	if got["to"] != "+1…12" || got["text"] != nil || got["media"] != nil || got["metadata"] != nil || got["redactedAt"] == nil {
		t.Errorf("%v", got)
	}
	b.do(t, post(path+"/replay", "")).refused(t, http.StatusConflict, "not_replayable")
}

func TestErasePerson(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.create(t, "")
	b.do(t, remove("/v1/messages")).invalid(t)
	b.do(t, remove("/v1/messages?to=%2B1206")).invalid(t)
	if got := b.do(t, remove("/v1/messages?to=%2B12065551212")).ok(t, http.StatusOK); got["erased"] != 0.0 || got["open"] != 1.0 {
		t.Errorf("%v", got)
	}
}
