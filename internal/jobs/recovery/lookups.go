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
	// lookupEvery is the interval of lookups: 50 a second are far
	// below what Sinch allows an account, whose sending comes first.
	lookupEvery = 20 * time.Millisecond
	// lookupAtMost bounds a lookup, however many pages of a list it reads.
	lookupAtMost = 30 * time.Second
	// failuresInARow end the asking until the next time: as many lookups as are
	// made at once, so that one call that cannot be looked up blocks no others.
	failuresInARow = itemsAtOnce
)

// errSilent says that Sinch was not asked, since it has not answered others.
var errSilent = errors.New("sinch does not answer lookups")

// lookupSession is one time of asking Sinch about calls, some of them at once.
type lookupSession struct {
	pace *rate.Limiter

	mu       sync.Mutex
	shared   map[string]func() answer // about calls that messages share
	failures map[sinch.Origin]int     // in a row
}

// answer is what Sinch said when it was asked about a call.
type answer struct {
	asked time.Time
	id    string
	found bool
	err   error
}

func newLookupSession() *lookupSession {
	return &lookupSession{
		pace:     rate.NewLimiter(rate.Every(lookupEvery), 1),
		shared:   make(map[string]func() answer),
		failures: make(map[sinch.Origin]int),
	}
}

// find asks about the call of a message; about one that messages share, once
// for all of them.
func (q *lookupSession) find(ctx context.Context, f finder, m *message.Message, a message.Attempt) answer {
	ask := func() answer {
		return q.ask(ctx, f, sinch.Call{Ref: a.Ref(m.ID), To: m.Content.To, Begun: a.Begun})
	}
	if a.Call != "" {
		ask = q.once(a.Call, ask)
	}
	return ask()
}

// finder is a provider that can be asked.
type finder interface {
	sinch.Finder
	Origin() sinch.Origin
}

// once is ask for the first who comes with a call, and the answer to it for
// everybody else.
func (q *lookupSession) once(call string, ask func() answer) func() answer {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.shared[call] == nil {
		q.shared[call] = sync.OnceValue(ask)
	}
	return q.shared[call]
}

func (q *lookupSession) ask(ctx context.Context, f finder, c sinch.Call) answer {
	if q.silent(f.Origin()) {
		return answer{err: errSilent}
	}
	if err := q.pace.Wait(ctx); err != nil {
		return answer{err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, lookupAtMost)
	defer cancel()
	got := answer{asked: time.Now()}
	got.id, got.found, got.err = f.Find(ctx, c)
	q.heard(f.Origin(), got.err)
	return got
}

// silent reports whether Sinch has stopped answering.
func (q *lookupSession) silent(o sinch.Origin) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.failures[o] >= failuresInARow
}

// heard takes in whether Sinch has answered.
func (q *lookupSession) heard(o sinch.Origin, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err == nil || errors.Is(err, sinch.ErrNotKept) {
		q.failures[o] = 0
		return
	}
	q.failures[o]++
}
