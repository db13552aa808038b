package dispatch

import (
	"context"
	"sync"
	"time"

	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/message"
)

// pacedError says that the batch of a message has no token for it yet.
type pacedError struct {
	wait time.Duration // until the next token
	why  string
}

// Error implements error.
func (e *pacedError) Error() string { return "waits: " + e.why }

// pacedEarly is how long before the next token of its batch a message still asks for
// it: parked tasks are released a little early.
const pacedEarly = 200 * time.Millisecond

// pacedMax bounds the batches whose next token is known.
const pacedMax = 1000

// tokens is what this process knows of the next tokens of batches, so that most
// messages without one are parked before their media are checked.
type tokens struct {
	mu   sync.Mutex
	next map[message.BatchID]time.Time
}

func newTokens() *tokens { return &tokens{next: make(map[message.BatchID]time.Time)} }

// far reports whether the next token of a batch is far away.
func (t *tokens) far(id message.BatchID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Until(t.next[id]) > pacedEarly
}

// learn records when a batch has its next token.
func (t *tokens) learn(id message.BatchID, in time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.next) >= pacedMax {
		clear(t.next)
	}
	t.next[id] = time.Now().Add(in)
}

// paced parks the task of a message whose batch has no token soon.
func (h *Handler) paced(ctx context.Context, m *message.Message, task queue.Task) error {
	if m.Pace == 0 || !h.tokens.far(m.BatchID) {
		return nil
	}
	return h.parkPaced(ctx, m, task)
}

// parkPaced parks the task of a message until the pace of its batch releases it.
func (h *Handler) parkPaced(ctx context.Context, m *message.Message, task queue.Task) error {
	if err := h.queue.ParkPaced(ctx, queue.PacedBatch{ID: m.BatchID, Pace: m.Pace}, task, m.CreatedAt); err != nil {
		return later(pauseOnFault, "queue unavailable")
	}
	return errParked
}
