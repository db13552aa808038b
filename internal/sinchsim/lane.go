package sinchsim

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Receipt is one delivery receipt.
type Receipt struct {
	API       API
	URL       string // empty when receipts are delivered in process
	Reference string
	Code      string // of the event; empty for a report about a whole batch
	Body      []byte // JSON
}

// Event is a receipt with the time it is due.
type Event struct {
	Receipt

	Due        time.Time
	order      uint64        // order of events with equal times
	Stale      func() bool   // reports that the event is obsolete; may be nil
	tried      chan struct{} // closed after the first try; nil when no call waits
	retry      int
	failed     time.Time // first failure
	generation uint64    // of the lane when the event was pushed
}

// Lane delivers the receipts of one API: width at a time, each until it is accepted,
// refused permanently or out of retries.
type Lane struct {
	rule       RetryRule
	width      int
	maxPending int
	post       func(ctx context.Context, r Receipt) (status int, err error)
	log        zerolog.Logger
	wake       chan struct{}

	mu         sync.Mutex
	running    bool
	queue      events
	order      uint64
	resume     time.Time // no delivery before
	stats      ReceiptStats
	generation uint64 // incremented by every reset; running deliveries belong to the old one
}

func (l *Lane) push(batch ...*Event) {
	if len(batch) == 0 {
		return
	}
	l.mu.Lock()
	for _, e := range batch {
		l.stats.Scheduled++
		if l.stats.Pending >= l.maxPending {
			l.stats.Dropped++
			e.announce()
			continue
		}
		l.stats.Pending++
		l.order++
		e.order, e.generation = l.order, l.generation
		heap.Push(&l.queue, e)
	}
	l.mu.Unlock()
	l.wakeUp()
}

func (l *Lane) wakeUp() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run delivers until ctx ends. Receipts that wait then are dropped.
func (l *Lane) run(ctx context.Context) {
	defer l.close()
	work := make(chan *Event)
	var senders sync.WaitGroup
	defer senders.Wait()
	defer close(work)
	for range l.width {
		senders.Go(func() {
			for e := range work {
				l.deliver(ctx, e)
			}
		})
	}
	for {
		e := l.next(ctx)
		if e == nil {
			return
		}
		select {
		case work <- e:
		case <-ctx.Done():
			e.announce()
			return
		}
	}
}

// next waits for the next due event; nil: ctx ended.
func (l *Lane) next(ctx context.Context) *Event {
	for {
		e, wait := l.pop(time.Now())
		if e != nil {
			return e
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-l.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

const idle = time.Hour // until a wake-up

// pop removes the first event when it is due, else it returns the time until then.
func (l *Lane) pop(now time.Time) (*Event, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return nil, idle
	}
	due := l.queue[0].Due
	if l.resume.After(due) {
		due = l.resume
	}
	if wait := due.Sub(now); wait > 0 {
		return nil, wait
	}
	e, _ := heap.Pop(&l.queue).(*Event)
	return e, 0
}

func (l *Lane) deliver(ctx context.Context, e *Event) {
	if e.Stale != nil && e.Stale() {
		e.announce()
		l.finish(e, verdictDropped)
		return
	}
	try, cancel := context.WithTimeout(ctx, l.rule.timeout())
	status, err := l.post(try, e.Receipt)
	cancel()
	e.announce() // before finish, which may push the event again
	if ctx.Err() != nil {
		return
	}
	v := l.rule.judge(status, err)
	if v == verdictDropped {
		l.log.Warn().Str("api", string(e.API)).Int("status", status).Msg("receipt refused permanently")
	}
	l.finish(e, v)
}

func (l *Lane) finish(e *Event, v verdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.generation != l.generation {
		return
	}
	switch v {
	case verdictTaken:
		l.stats.Delivered++
		l.stats.Pending--
	case verdictDropped:
		l.stats.Dropped++
		l.stats.Pending--
	case verdictAgain, verdictSlower:
		l.again(e, v)
	}
}

func (l *Lane) again(e *Event, v verdict) {
	now := time.Now()
	if e.failed.IsZero() {
		e.failed = now
	}
	if v == verdictSlower {
		l.resume = now.Add(l.rule.pause())
	}
	due, ok := l.rule.next(e.retry+1, e.failed, now)
	if !ok {
		l.stats.Dropped++
		l.stats.Pending--
		l.log.Warn().Str("api", string(e.API)).Int("tries", e.retry+1).Msg("receipt dropped after the last retry")
		return
	}
	l.stats.Retried++
	e.retry++
	e.Due = due
	heap.Push(&l.queue, e)
	l.wakeUp()
}

func (l *Lane) open() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = true
}

// close releases the calls that wait for a receipt that will not be delivered.
func (l *Lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = false
	for _, e := range l.queue {
		e.announce()
	}
}

func (l *Lane) isRunning() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running
}

func (l *Lane) count() ReceiptStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

func (l *Lane) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.queue {
		e.announce()
	}
	l.queue, l.stats, l.resume = nil, ReceiptStats{}, time.Time{}
	l.generation++
}

// announce releases the call that waits for the first try.
func (e *Event) announce() {
	if e.tried != nil {
		close(e.tried)
		e.tried = nil
	}
}

// events is a heap ordered by due time, then by order of arrival.
type events []*Event

func (q events) Len() int { return len(q) }

func (q events) Less(i, j int) bool {
	if q[i].Due.Equal(q[j].Due) {
		return q[i].order < q[j].order
	}
	return q[i].Due.Before(q[j].Due)
}

func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *events) Push(x any) {
	if e, ok := x.(*Event); ok {
		*q = append(*q, e)
	}
}

// Pop implements heap.Interface.
func (q *events) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return e
}
