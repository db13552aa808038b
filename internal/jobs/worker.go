package jobs

import (
	"crypto/rand"
	"sync"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// memoryFor is how long a worker remembers its calls, so that it can tell a
// Redis that has forgotten them.
const memoryFor = 10 * time.Minute

// Worker is the identity of this process and what it knows of its own calls.
type Worker struct {
	ID string

	mu       sync.Mutex
	lease    ledger.Lease
	inFlight map[message.ID]bool
	doubtful map[message.ID]time.Time // begins whose reply was lost, and until when they may still take effect
	recent   map[string]memory        // by attempt reference
	missed   bool                     // Redis knew fewer begins than it had acknowledged
	heldTill time.Time                // no call begins before
}

// memory is a call as this process made it.
type memory struct {
	id      message.ID
	attempt message.Attempt
}

// NewWorker makes an identity that no other process has had.
func NewWorker() *Worker {
	id := rand.Text()[:12]
	return &Worker{
		ID:       id,
		lease:    ledger.Lease{Worker: id},
		inFlight: make(map[message.ID]bool),
		doubtful: make(map[message.ID]time.Time),
		recent:   make(map[string]memory),
	}
}

// Lease is what the worker knows of its own begins.
func (w *Worker) Lease() ledger.Lease {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lease
}

// enter says that the worker is about to begin a call.
func (w *Worker) enter(id message.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inFlight[id] = true
}

// leave says that the worker has nothing to do with the message any more.
func (w *Worker) leave(id message.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.inFlight, id)
}

// busy reports whether the worker is about to make, makes or records a call.
func (w *Worker) busy(id message.ID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.inFlight[id]
}

// doubt remembers a begin whose reply was lost.
func (w *Worker) doubt(id message.ID, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doubtful[id] = until
}

// doubts lists the begins whose reply was lost, and lets go of those that can
// no longer take effect.
func (w *Worker) doubts(now time.Time) []message.ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := make([]message.ID, 0, len(w.doubtful))
	for id, until := range w.doubtful {
		if now.After(until) {
			delete(w.doubtful, id)
		}
		ids = append(ids, id)
	}
	return ids
}

// neverMade finds an attempt of this worker that was written down although
// its begin seemed to fail: no call was made for it. Others may have marked it
// unknown meanwhile.
func (w *Worker) neverMade(m *message.Message) (message.Attempt, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range m.Calls {
		_, made := w.recent[m.ID.AttemptRef(a.N)]
		if a.Worker == w.ID && a.State != message.AttemptAccepted && !made {
			return a, true
		}
	}
	return message.Attempt{}, false
}

// begun remembers a call that the ledger has acknowledged.
func (w *Worker) begun(b ledger.Begun, a message.Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lease.Begins = max(w.lease.Begins, b.Begins)
	w.lease.Epoch = max(w.lease.Epoch, b.Epoch)
	w.recent[b.Message.ID.AttemptRef(a.N)] = memory{id: b.Message.ID, attempt: a}
}

// concluded remembers how a call ended, or forgets one that Sinch does not have.
func (w *Worker) concluded(id message.ID, n int, o message.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ref := id.AttemptRef(n)
	known, ok := w.recent[ref]
	if !ok {
		return
	}
	switch o.Kind {
	case message.OutcomeAccepted:
		known.attempt.State, known.attempt.SinchID = message.AttemptAccepted, o.SinchID
	case message.OutcomeUnknown:
		known.attempt.State = message.AttemptUnknown
	default:
		delete(w.recent, ref)
		return
	}
	w.recent[ref] = known
}

// miss remembers that the ledger refused a begin because Redis went back.
func (w *Worker) miss() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.missed = true
}

// hold keeps calls from beginning for a while.
func (w *Worker) hold(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if till := time.Now().Add(d); till.After(w.heldTill) {
		w.heldTill = till
	}
}

// held is how long no call may begin; zero or less: one may.
func (w *Worker) held() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Until(w.heldTill)
}

// saw takes in the epoch of a heartbeat and reports whether Redis went back.
func (w *Worker) saw(epoch int64) (rolledBack bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.missed || epoch < w.lease.Epoch {
		return true
	}
	w.lease.Epoch = epoch
	return false
}

// memories lists the calls of the last minutes and forgets the older ones.
func (w *Worker) memories(now time.Time) []memory {
	w.mu.Lock()
	defer w.mu.Unlock()
	var known []memory
	for ref, m := range w.recent {
		if now.Sub(m.attempt.Begun) > memoryFor {
			delete(w.recent, ref)
			continue
		}
		known = append(known, m)
	}
	return known
}

// restart counts from what Redis knows now, once it was told what it had lost.
func (w *Worker) restart(epoch int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lease.Begins, w.lease.Epoch, w.missed = 0, epoch, false
}
