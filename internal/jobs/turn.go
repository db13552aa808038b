package jobs

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bsm/redislock"

	"mmsdispatch/internal/message"
)

// turns lets one task of a group at a time put a call together, first in this
// process and then among all. Many at once would share the pace out among many
// small calls, and take it for messages that another one calls.
type turns struct {
	locker *redislock.Client

	mu    sync.Mutex
	taken map[string]chan struct{} // closed when the turn is over
}

// turnFor is longer than it takes to put a call together. A process that dies
// in its turn keeps the others of its group waiting for as long.
const turnFor = 5 * time.Second

// take takes the turn of a group in this process, or returns what ends when it
// is free again. over may be called more than once.
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

// takeFromAll takes the turn of a group among all processes, unless another one
// has it.
func (t *turns) takeFromAll(ctx context.Context, group string) (over func(), free bool, err error) {
	lock, err := t.locker.Obtain(ctx, groupKey(group)+":turn", turnFor, nil)
	switch {
	case errors.Is(err, redislock.ErrNotObtained):
		return nil, false, nil
	case err != nil:
		return nil, false, later(pauseOnFault, "queue unavailable")
	}
	return sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = lock.Release(ctx) // it runs out by itself
	}), true, nil
}

// turn waits until a message may put a call of its group together; nil: it may
// not, and the error says what follows. Most of those that wait are in somebody
// else's call by then.
func (h *Handler) turn(ctx context.Context, m *message.Message, task int) (over func(), err error) {
	timer := time.NewTimer(h.spare(ctx))
	defer timer.Stop()
	for {
		mine, busy := h.turns.take(m.Group)
		if busy == nil {
			return h.turnOfAll(ctx, m, task, mine, timer.C)
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

// turnOfAll goes on for the one that has the turn in this process.
func (h *Handler) turnOfAll(
	ctx context.Context, m *message.Message, task int, mine func(), enough <-chan time.Time,
) (over func(), err error) {
	defer func() {
		if over == nil {
			mine()
		}
	}()
	ticker := time.NewTicker(lookForOwn)
	defer ticker.Stop()
	for waited := false; ; waited = true {
		if waited {
			if _, waits, err := h.still(ctx, m.ID, task); !waits {
				return nil, err
			}
		}
		ours, free, err := h.turns.takeFromAll(ctx, m.Group)
		if err != nil {
			return nil, err
		}
		if free {
			return func() { ours(); mine() }, nil
		}
		select {
		case <-ticker.C:
		case <-enough:
			return nil, later(gatherFor, "others of its group go first")
		case <-h.open.Done():
			return nil, later(gatherFor, "worker stops")
		}
	}
}
