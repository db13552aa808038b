package recovery

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
)

// scriptedFinder answers lookups one after another.
type scriptedFinder struct {
	account string
	answer  func(n int) error

	mu sync.Mutex
	n  int
}

func (f *scriptedFinder) Origin() sinch.Origin { return sinch.Origin{Account: f.account} }

func (f *scriptedFinder) Find(context.Context, sinch.Call) (string, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	return "B1", true, f.answer(f.n)
}

func asMessage() *message.Message {
	return &message.Message{ID: message.NewID(message.RandomIdentity(), time.Now())}
}

func TestMultiRecipientSendIsLookedUpOnce(t *testing.T) {
	t.Parallel()
	q, f := newLookupSession(), &scriptedFinder{answer: func(int) error { return nil }}
	var all sync.WaitGroup
	for range 3 * itemsAtOnce {
		all.Go(func() {
			if result := q.find(t.Context(), f, asMessage(), message.Attempt{Call: "call"}); result.id != "B1" || result.err != nil {
				t.Errorf("%+v", result)
			}
		})
	}
	all.Wait()
	if f.n != 1 {
		t.Errorf("%d lookups", f.n)
	}
}

// TestWhenLookupsEnd: lookups at an origin end after failures in a row.
func TestWhenLookupsEnd(t *testing.T) {
	t.Parallel()
	const lookups = 2 * failuresInARow
	down := errors.New("HTTP 503")
	failing := func(fails func(n int) bool) func(int) error {
		return func(n int) error {
			if fails(n) {
				return down
			}
			return nil
		}
	}
	for name, c := range map[string]struct {
		answer func(n int) error
		want   int // lookups
	}{
		"it answers":            {failing(func(int) bool { return false }), lookups},
		"it keeps nothing":      {func(int) error { return sinch.ErrNotKept }, lookups},
		"it answers in between": {failing(func(n int) bool { return n%failuresInARow != 0 }), lookups},
		"it does not answer":    {failing(func(int) bool { return true }), failuresInARow},
		"it answers no more":    {failing(func(n int) bool { return n > 2 }), failuresInARow + 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q, f := newLookupSession(), &scriptedFinder{answer: c.answer}
			for range lookups {
				result := q.find(t.Context(), f, asMessage(), message.Attempt{})
				if ended := errors.Is(result.err, errUnresponsive); ended && f.n < c.want {
					t.Fatalf("ended after %d lookups", f.n)
				}
			}
			if f.n != c.want {
				t.Errorf("%d lookups, want %d", f.n, c.want)
			}
			other := &scriptedFinder{account: "other", answer: failing(func(int) bool { return false })}
			if result := q.find(t.Context(), other, asMessage(), message.Attempt{}); result.err != nil {
				t.Errorf("another account: %v", result.err)
			}
		})
	}
}
