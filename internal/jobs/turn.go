package jobs

import (
	"context"
	"sync"
	"time"

	"mmsdispatch/internal/message"
)

// turns lets one task of a group at a time put a call together in this process.
// Many at once would share the pace out among many small calls.
type turns struct {
	mu    sync.Mutex
	taken map[string]chan struct{} // closed when the turn is over
}

// take takes the turn of a group, or returns what ends when it is free again.
// over may be called more than once.
func (t *turns) take(group string) (over func(), busy <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if end, ok := t.taken[group]; ok {
		return nil, end
	}
	if t.taken == nil {
		t.taken = make(map[string]chan struct{})
	}
	end := make(chan struct{})
	t.taken[group] = end
	return sync.OnceFunc(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.taken, group)
		close(end)
	}), nil
}

// turn waits until a message may put a call of its group together; nil: it may
// not, and the error says what follows. Most of those that wait are in somebody
// else's call by then.
func (h *Handler) turn(ctx context.Context, m *message.Message, task int) (over func(), err error) {
	timer := time.NewTimer(h.spare(ctx))
	defer timer.Stop()
	for {
		over, busy := h.turns.take(m.Group)
		if busy == nil {
			return over, nil
		}
		select {
		case <-busy:
			if _, waits, err := h.still(ctx, m.ID, task); !waits {
				return nil, err
			}
		case <-timer.C:
			return nil, later(gatherFor, "others of its group go first")
		case <-h.open.Done():
			return nil, later(gatherFor, "worker stops")
		}
	}
}
