package recovery

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
)

const (
	// lookupEvery is the interval of lookups: 50 a second are far below the limit of a
	// Sinch account, which is for sending in the first place.
	lookupEvery = 20 * time.Millisecond
	// lookupAtMost bounds one lookup, with all pages of a list.
	lookupAtMost = 30 * time.Second
	// failuresInARow end the lookups of a session: as many as are made concurrently,
	// so that one call that cannot be looked up blocks no others.
	failuresInARow = itemsAtOnce
)

// errUnresponsive is returned for a lookup that was not made, since the lookups
// before it failed.
var errUnresponsive = errors.New("sinch does not answer lookups")

// lookupSession makes the lookups of one round, several of them concurrently.
type lookupSession struct {
	pace *rate.Limiter

	mu       sync.Mutex
	multi    map[string]func() lookupResult // by reference of a multi-recipient send
	failures map[sinch.Origin]int           // in a row
}

// lookupResult is the result of one lookup.
type lookupResult struct {
	began time.Time
	id    string
	found bool
	err   error
}

func newLookupSession() *lookupSession {
	return &lookupSession{
		pace:     rate.NewLimiter(rate.Every(lookupEvery), 1),
		multi:    make(map[string]func() lookupResult),
		failures: make(map[sinch.Origin]int),
	}
}

// find looks up the call of a message. A multi-recipient send is looked up once for
// all of its messages.
func (q *lookupSession) find(ctx context.Context, f finder, m *message.Message, a message.Attempt) lookupResult {
	query := func() lookupResult {
		return q.query(ctx, f, sinch.Call{Ref: a.Ref(m.ID), To: m.Content.To, Begun: a.Begun})
	}
	if a.Call != "" {
		query = q.once(a.Call, query)
	}
	return query()
}

// finder is a provider that supports lookups.
type finder interface {
	sinch.Finder
	Origin() sinch.Origin
}

// once returns the one query of a multi-recipient send: its first call runs it, and
// the others return the same result.
func (q *lookupSession) once(call string, query func() lookupResult) func() lookupResult {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.multi[call] == nil {
		q.multi[call] = sync.OnceValue(query)
	}
	return q.multi[call]
}

func (q *lookupSession) query(ctx context.Context, f finder, c sinch.Call) lookupResult {
	if q.unresponsive(f.Origin()) {
		return lookupResult{err: errUnresponsive}
	}
	if err := q.pace.Wait(ctx); err != nil {
		return lookupResult{err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, lookupAtMost)
	defer cancel()
	result := lookupResult{began: time.Now()}
	result.id, result.found, result.err = f.Find(ctx, c)
	q.count(f.Origin(), result.err)
	return result
}

// unresponsive reports whether the lookups at an origin have ended.
func (q *lookupSession) unresponsive(o sinch.Origin) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.failures[o] >= failuresInARow
}

// count counts the failures in a row.
func (q *lookupSession) count(o sinch.Origin, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err == nil || errors.Is(err, sinch.ErrNotKept) {
		q.failures[o] = 0
		return
	}
	q.failures[o]++
}
