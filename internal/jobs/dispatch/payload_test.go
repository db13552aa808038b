package dispatch

import (
	"testing"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/saved"
)

// savedEvents counts nothing.
type savedEvents struct{}

func (savedEvents) Saved(string) {}

// TestMessagesAreHeldWhileOthersSave, and not put back as fast as Redis can.
func TestMessagesAreHeldWhileOthersSave(t *testing.T) {
	t.Parallel()
	store := saved.NewStore(redistest.Shared(t).Client(t), savedEvents{}, nil)
	key := saved.NewKey("held")
	if _, won, err := store.Claim(t.Context(), key, time.Hour); err != nil || !won {
		t.Fatal(won, err)
	}
	h := &Handler{saved: store, open: t.Context()}
	start := time.Now()
	if template, err := h.savedSoon(t.Context(), key); err != nil || !template.Pending() || time.Since(start) < savedWait {
		t.Errorf("%+v, %v after %s, want it to wait for %s", template, err, time.Since(start), savedWait)
	}
}

// Only the first calls of messages with shared media use a template.
func TestWhichMessagesShare(t *testing.T) {
	t.Parallel()
	shared := &message.Message{Shared: true}
	h := &Handler{saved: saved.NewStore(redistest.Shared(t).Client(t), savedEvents{}, nil)}
	for name, m := range map[string]*message.Message{
		"single":       {},
		"test":         {Shared: true, Scope: message.Scope{Test: true}},
		"replay":       {Shared: true, Counters: message.Counters{Replays: 1}},
		"often called": {Shared: true, Counters: message.Counters{Attempts: savedCallsMax}},
	} {
		if h.shares(m) {
			t.Errorf("%s: named what was saved", name)
		}
	}
	if !h.shares(shared) || (&Handler{}).shares(shared) {
		t.Error("a message with shared media is sent by a template only with a store")
	}
}
