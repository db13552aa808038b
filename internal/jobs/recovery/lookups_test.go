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

// scriptedFinder answers look-ups one after another.
type scriptedFinder struct {
	account string
	say     func(n int) error

	mu sync.Mutex
	n  int
}

func (f *scriptedFinder) Origin() sinch.Origin { return sinch.Origin{Account: f.account} }

func (f *scriptedFinder) Find(context.Context, sinch.Call) (string, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	return "B1", true, f.say(f.n)
}

func asMessage() *message.Message {
	return &message.Message{ID: message.NewID(message.RandomIdentity(), time.Now())}
}

func TestSharedCallIsAskedAboutOnce(t *testing.T) {
	t.Parallel()
	q, f := newLookupSession(), &scriptedFinder{say: func(int) error { return nil }}
	var all sync.WaitGroup
	for range 3 * itemsAtOnce {
		all.Go(func() {
			if said := q.find(t.Context(), f, asMessage(), message.Attempt{Call: "call"}); said.id != "B1" || said.err != nil {
				t.Errorf("%+v", said)
			}
		})
	}
	all.Wait()
	if f.n != 1 {
		t.Errorf("asked %d times", f.n)
	}
}

// TestWhenAskingEnds tells by what Sinch has said whether it is asked on.
func TestWhenAskingEnds(t *testing.T) {
	t.Parallel()
	const looks = 2 * failuresInARow
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
		say   func(n int) error
		asked int
	}{
		"it answers":            {failing(func(int) bool { return false }), looks},
		"it keeps nothing":      {func(int) error { return sinch.ErrNotKept }, looks},
		"it answers in between": {failing(func(n int) bool { return n%failuresInARow != 0 }), looks},
		"it does not answer":    {failing(func(int) bool { return true }), failuresInARow},
		"it answers no more":    {failing(func(n int) bool { return n > 2 }), failuresInARow + 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q, f := newLookupSession(), &scriptedFinder{say: c.say}
			for range looks {
				said := q.find(t.Context(), f, asMessage(), message.Attempt{})
				if left := errors.Is(said.err, errSilent); left && f.n < c.asked {
					t.Fatalf("left alone after %d look-ups", f.n)
				}
			}
			if f.n != c.asked {
				t.Errorf("asked %d times, want %d", f.n, c.asked)
			}
			other := &scriptedFinder{account: "other", say: failing(func(int) bool { return false })}
			if said := q.find(t.Context(), other, asMessage(), message.Attempt{}); said.err != nil {
				t.Errorf("another account: %v", said.err)
			}
		})
	}
}
