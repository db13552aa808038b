package dispatch

import (
	"errors"
	"testing"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

// A message that was replayed since a worker read it is not ended by what the
// worker read.
func TestReplayIsNotUndone(t *testing.T) {
	t.Parallel()
	l, err := ledger.New(redistest.Shared(t).Client(t), ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	h := &Handler{ledger: l}
	for name, how := range map[string]ledger.Change{
		"canceled": (*message.Message).Cancel, "suppressed": (*message.Message).Suppress, "expired": (*message.Message).Expire,
	} {
		past := time.Now().Add(-time.Second).UTC().Truncate(time.Millisecond)
		a, err := l.Accept(t.Context(), ledger.Request{
			Scope: message.Scope{Tenant: "shop"}, From: "+12065550000", Now: time.Now().UTC().Truncate(time.Millisecond),
			Content: message.Content{To: "+12065551212", Text: "hello", Priority: message.Normal, ExpiresAt: past},
		})
		if err != nil {
			t.Fatal(err)
		}
		m := a.Message
		after, err := l.Update(t.Context(), m.ID, func(m *message.Message, now time.Time) error {
			return errors.Join(m.Cancel(now), m.Replay(false, time.Time{}, now))
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.end(t.Context(), m, how); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := l.Get(t.Context(), m.ID); err != nil || got.Status != message.StatusQueued || got.Task != after.Task {
			t.Errorf("%s: the replay became %+v, %v", name, got, err)
		}
		if err := h.end(t.Context(), after, (*message.Message).Cancel); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := l.Get(t.Context(), m.ID); err != nil || got.Status != message.StatusCanceled {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
