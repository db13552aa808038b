package dispatch

import (
	"crypto/rand"
	"sync"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// Worker is the identity of this process and what it knows of its own calls.
type Worker struct {
	ID string

	mu          sync.Mutex
	lease       ledger.Lease
	inFlight    map[message.ID]int              // tasks that are about to make, make or record a call
	unconfirmed map[message.ID]unconfirmedBegin // begins whose reply was lost
	missed      bool                            // Redis knew fewer begins than it had acknowledged
	pausedTill  time.Time                       // no call begins before

	calls *callCache
}

// unconfirmedBegin is a begin whose reply was lost: it may have taken effect, but no call
// was made for it.
type unconfirmedBegin struct {
	n     int       // number of the attempt
	until time.Time // it may still take effect
}

// NewWorker makes an identity that no other process has had.
func NewWorker() *Worker {
	id := rand.Text()[:12]
	return &Worker{
		ID:          id,
		lease:       ledger.Lease{Worker: id},
		inFlight:    make(map[message.ID]int),
		unconfirmed: make(map[message.ID]unconfirmedBegin),
		calls:       newCallCache(),
	}
}

// Lease is what the worker knows of its own begins.
func (w *Worker) Lease() ledger.Lease {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lease
}

// enter marks a message whose call is about to begin.
func (w *Worker) enter(id message.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inFlight[id]++
}

// leave undoes enter, once the outcome is recorded.
func (w *Worker) leave(id message.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.inFlight[id]--; w.inFlight[id] <= 0 {
		delete(w.inFlight, id)
	}
}

// Busy reports whether the worker is about to make, makes or records a call.
func (w *Worker) Busy(id message.ID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.inFlight[id] > 0
}

// AddUnconfirmed records a begin whose reply was lost.
func (w *Worker) AddUnconfirmed(id message.ID, n int, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unconfirmed[id] = unconfirmedBegin{n: n, until: until}
}

// Unconfirmed lists the begins whose reply was lost, with the number of the attempt,
// and drops those that can no longer take effect.
func (w *Worker) Unconfirmed(now time.Time) map[message.ID]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	begins := make(map[message.ID]int, len(w.unconfirmed))
	for id, d := range w.unconfirmed {
		begins[id] = d.n
		if now.After(d.until) {
			delete(w.unconfirmed, id)
		}
	}
	return begins
}

// IsUnconfirmed reports whether the reply to the begin of attempt n was lost.
func (w *Worker) IsUnconfirmed(id message.ID, n int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, lost := w.unconfirmed[id]
	return lost && d.n == n
}

// begun takes in that the ledger has acknowledged a begin of this worker.
func (w *Worker) begun(b ledger.Begun, a message.Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lease.Begins = max(w.lease.Begins, b.Begins)
	w.lease.Epoch = max(w.lease.Epoch, b.Epoch)
	delete(w.unconfirmed, b.Message.ID)
	w.calls.put(Call{ID: b.Message.ID, Attempt: a, SeenAt: time.Now()})
}

// OnBegin takes in that another worker has begun a call.
func (w *Worker) OnBegin(b ledger.Begin) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lease.Epoch = max(w.lease.Epoch, b.Epoch)
	w.calls.onBegin(b)
}

// miss takes in that the ledger refused a begin because Redis went back.
func (w *Worker) miss() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.missed = true
}

// Pause keeps calls from beginning for a while.
func (w *Worker) Pause(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if till := time.Now().Add(d); till.After(w.pausedTill) {
		w.pausedTill = till
	}
}

// Resume lets calls begin again.
func (w *Worker) Resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pausedTill = time.Time{}
}

// paused is how long no call may begin; zero or less: one may.
func (w *Worker) paused() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Until(w.pausedTill)
}

// MissesCalls reports whether Redis went back: at a heartbeat it knew of epoch
// calls, though before it had acknowledged more.
func (w *Worker) MissesCalls(before, epoch int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.missed || epoch < before {
		return true
	}
	w.lease.Epoch = max(w.lease.Epoch, epoch)
	return false
}

// Reset counts from what Redis knows now, once the lost calls are restored.
func (w *Worker) Reset(epoch int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lease.Begins, w.lease.Epoch, w.missed = 0, epoch, false
}

// RecentCalls returns the calls of the last minutes, of all workers, oldest
// first.
func (w *Worker) RecentCalls(now time.Time) []Call { return w.calls.all(now) }
