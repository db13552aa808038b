package dispatch

import (
	"crypto/rand"
	"sync"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// Worker is the identity of this process, with the state of its calls.
type Worker struct {
	ID string

	mu          sync.Mutex
	lease       ledger.Lease
	inFlight    map[message.ID]int              // tasks that prepare, make or record a call
	unconfirmed map[message.ID]unconfirmedBegin // begins without a reply
	rolledBack  bool                            // Redis had fewer begins than it had acknowledged
	pausedTill  time.Time                       // no call begins before

	calls *callCache
}

// unconfirmedBegin is a begin without a reply: it may have taken effect, but no call
// was made for it.
type unconfirmedBegin struct {
	n     int       // number of the attempt
	until time.Time // it may still take effect
}

// NewWorker creates an identity that no other process has had.
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

// Lease returns the worker's counts of begins.
func (w *Worker) Lease() ledger.Lease {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lease
}

// track marks a message whose call is about to begin.
func (w *Worker) track(id message.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inFlight[id]++
}

// untrack undoes track, once the outcome is recorded.
func (w *Worker) untrack(id message.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.inFlight[id]--; w.inFlight[id] <= 0 {
		delete(w.inFlight, id)
	}
}

// Busy reports whether the worker prepares, makes or records a call of a message.
func (w *Worker) Busy(id message.ID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.inFlight[id] > 0
}

// AddUnconfirmed adds a begin without a reply.
func (w *Worker) AddUnconfirmed(id message.ID, n int, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unconfirmed[id] = unconfirmedBegin{n: n, until: until}
}

// Unconfirmed lists the begins without a reply, with the number of the attempt, and
// drops those that can no longer take effect.
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

// IsUnconfirmed reports whether the begin of attempt n had no reply.
func (w *Worker) IsUnconfirmed(id message.ID, n int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	begin, ok := w.unconfirmed[id]
	return ok && begin.n == n
}

// begun applies a begin of this worker that the ledger has acknowledged.
func (w *Worker) begun(b ledger.Begun, a message.Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lease.Begins = max(w.lease.Begins, b.Begins)
	w.lease.Epoch = max(w.lease.Epoch, b.Epoch)
	delete(w.unconfirmed, b.Message.ID)
	w.calls.put(Call{ID: b.Message.ID, Attempt: a, SeenAt: time.Now()})
}

// OnBegin applies a begin of another worker.
func (w *Worker) OnBegin(b ledger.Begin) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lease.Epoch = max(w.lease.Epoch, b.Epoch)
	w.calls.onBegin(b)
}

// markRolledBack records that the ledger refused a begin because of a rollback.
func (w *Worker) markRolledBack() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rolledBack = true
}

// Pause prevents calls from beginning for d.
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

// paused is the time for which no call may begin; zero or less: one may.
func (w *Worker) paused() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Until(w.pausedTill)
}

// RolledBack reports whether Redis was rolled back: a heartbeat returned an epoch
// below the one that Redis had returned before, or a begin was refused.
func (w *Worker) RolledBack(before, epoch int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rolledBack || epoch < before {
		return true
	}
	w.lease.Epoch = max(w.lease.Epoch, epoch)
	return false
}

// Reset starts the counts again from those of Redis, once the missing calls are
// restored.
func (w *Worker) Reset(epoch int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lease.Begins, w.lease.Epoch, w.rolledBack = 0, epoch, false
}

// RecentCalls returns the calls of the last minutes, of all workers, oldest
// first.
func (w *Worker) RecentCalls(now time.Time) []Call { return w.calls.all(now) }
