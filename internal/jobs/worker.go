package jobs

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

	mu       sync.Mutex
	lease    ledger.Lease
	inFlight map[message.ID]int   // tasks that are about to make, make or record a call
	doubtful map[message.ID]doubt // begins whose reply was lost
	missed   bool                 // Redis knew fewer begins than it had acknowledged
	heldTill time.Time            // no call begins before

	memory *memory
}

// doubt is a begin whose reply was lost: it may have taken effect, but no call
// was made for it.
type doubt struct {
	n     int       // number of the attempt
	until time.Time // it may still take effect
}

// NewWorker makes an identity that no other process has had.
func NewWorker() *Worker {
	id := rand.Text()[:12]
	return &Worker{
		ID:       id,
		lease:    ledger.Lease{Worker: id},
		inFlight: make(map[message.ID]int),
		doubtful: make(map[message.ID]doubt),
		memory:   newMemory(),
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
	w.inFlight[id]++
}

// leave says that the worker has nothing to do with the message any more.
func (w *Worker) leave(id message.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.inFlight[id]--; w.inFlight[id] <= 0 {
		delete(w.inFlight, id)
	}
}

// busy reports whether the worker is about to make, makes or records a call.
func (w *Worker) busy(id message.ID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.inFlight[id] > 0
}

// doubt remembers a begin whose reply was lost.
func (w *Worker) doubt(id message.ID, n int, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doubtful[id] = doubt{n: n, until: until}
}

// doubts lists the begins whose reply was lost, with the number of the attempt,
// and lets go of those that can no longer take effect.
func (w *Worker) doubts(now time.Time) map[message.ID]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	begins := make(map[message.ID]int, len(w.doubtful))
	for id, d := range w.doubtful {
		begins[id] = d.n
		if now.After(d.until) {
			delete(w.doubtful, id)
		}
	}
	return begins
}

// doubted reports whether the reply to the begin of attempt n was lost.
func (w *Worker) doubted(id message.ID, n int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, lost := w.doubtful[id]
	return lost && d.n == n
}

// begun remembers a call that the ledger has acknowledged.
func (w *Worker) begun(b ledger.Begun, a message.Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lease.Begins = max(w.lease.Begins, b.Begins)
	w.lease.Epoch = max(w.lease.Epoch, b.Epoch)
	delete(w.doubtful, b.Message.ID)
	w.memory.begun(b.Message.ID, a)
}

// heard remembers a call that another worker has begun.
func (w *Worker) heard(b ledger.Begin) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lease.Epoch = max(w.lease.Epoch, b.Epoch)
	w.memory.heard(b)
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

// release lets calls begin again.
func (w *Worker) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heldTill = time.Time{}
}

// held is how long no call may begin; zero or less: one may.
func (w *Worker) held() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Until(w.heldTill)
}

// missesCalls reports whether Redis went back: at a heartbeat it knew of epoch
// calls, though before it had acknowledged more.
func (w *Worker) missesCalls(before, epoch int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.missed || epoch < before {
		return true
	}
	w.lease.Epoch = max(w.lease.Epoch, epoch)
	return false
}

// restart counts from what Redis knows now, once it was told what it had lost.
func (w *Worker) restart(epoch int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lease.Begins, w.lease.Epoch, w.missed = 0, epoch, false
}
