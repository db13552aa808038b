package ledger_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// answers records the size of the largest reply to one command of a script.
type answers struct {
	mu      sync.Mutex
	largest int
}

func (a *answers) DialHook(next redis.DialHook) redis.DialHook { return next }

func (a *answers) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (a *answers) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		var values []any
		switch reply := cmd.(type) {
		case *redis.Cmd:
			values, _ = reply.Slice()
		case *redis.SliceCmd:
			values = reply.Val()
		default:
			return err
		}
		size := 0
		for _, v := range values {
			text, _ := v.(string)
			size += len(text)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.largest = max(a.largest, size)
		return err
	}
}

// Redis answers no more than 1 MiB to one command, however large the records
// are, and each message is read all the same.
func TestReadsAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	const large = 60
	ids := make([]message.ID, large)
	for i := range ids {
		r := request("")
		r.Content.Metadata = map[string]string{"k": strings.Repeat("x", 60<<10)}
		ids[i] = accept(t, l, r).ID
	}
	var seen answers
	rdb.AddHook(&seen)
	found, err := l.ReadMany(t.Context(), ids)
	if err != nil || len(found) != large {
		t.Fatalf("%d read, %v", len(found), err)
	}
	for i, s := range found {
		if s.Message.ID != ids[i] {
			t.Errorf("message %d is out of order", i)
		}
	}
	if seen.largest == 0 || seen.largest > 1<<20 {
		t.Errorf("an answer of %d bytes", seen.largest)
	}
}

// Every change of a message's state is reported once, with the states before
// and after; a change that keeps the state, or that is refused, is not.
func TestEveryTransitionIsReported(t *testing.T) {
	t.Parallel()
	type move struct{ from, to message.Status }
	var mu sync.Mutex
	var moves []move
	l, _ := newLedger(t, ledger.Options{Moved: func(from, to message.Status) {
		mu.Lock()
		defer mu.Unlock()
		moves = append(moves, move{from, to})
	}})
	m := accept(t, l, request("once"))
	accept(t, l, request("once"))
	begin(t, l, m.ID, "w1")
	refused := errors.New("refused")
	for _, change := range []ledger.Change{
		func(*message.Message, time.Time) error { return refused },
		func(m *message.Message, _ time.Time) error { m.SentAs = "MMS"; return nil },
		func(m *message.Message, now time.Time) error {
			return m.Conclude(1, message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T1"}, message.Retry{}, now)
		},
	} {
		if _, err := l.Update(t.Context(), m.ID, change); err != nil && !errors.Is(err, refused) {
			t.Fatal(err)
		}
	}
	want := []move{{"", "queued"}, {"queued", "sending"}, {"sending", "sent"}}
	mu.Lock()
	defer mu.Unlock()
	if len(moves) != len(want) || moves[0] != want[0] || moves[1] != want[1] || moves[2] != want[2] {
		t.Errorf("%v, want %v", moves, want)
	}
}
