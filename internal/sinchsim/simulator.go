package sinchsim

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
)

// ErrStopped is returned by Start of a stopped simulator.
var ErrStopped = errors.New("simulator was stopped")

// Simulator simulates Sinch for tests, development and test keys. Handler works before
// Start; receipts are delivered between Start and Stop.
type Simulator struct {
	opts     Options
	rng      *RNG
	script   *script
	recorder *recorder
	apis     []Service
	lanes    []*Lane
	handler  http.Handler
	control  http.Handler

	inFlight atomic.Int64
	stopping chan struct{} // closed by Stop; ends hanging calls

	mu      sync.Mutex
	started bool
	stopped bool
	cancel  context.CancelFunc
	senders sync.WaitGroup
}

// Constructor makes one Sinch API of a simulator.
type Constructor func(*Simulator) Service

// Service is one Sinch API.
type Service interface {
	// Routes adds the URLs of the API to mux.
	Routes(mux *http.ServeMux)
	// Deliveries returns the lane of its receipts.
	Deliveries() *Lane
	// Clear drops all stored batches, messages and templates.
	Clear()
	// Close closes idle connections, once no receipt is under way.
	Close()
}

// New makes a Simulator of the given APIs.
func New(o Options, constructors ...Constructor) *Simulator {
	o = o.withDefaults()
	s := &Simulator{
		opts:     o,
		rng:      newRNG(o.Seed),
		script:   newScript(o),
		recorder: newRecorder(o),
		stopping: make(chan struct{}),
	}
	mux := http.NewServeMux()
	for _, construct := range constructors {
		a := construct(s)
		s.apis = append(s.apis, a)
		s.lanes = append(s.lanes, a.Deliveries())
		a.Routes(mux)
	}
	s.control = newControl(s)
	s.handler = s.counted(mux)
	if o.ControlAddr == "" && !o.NoControl {
		both := http.NewServeMux()
		both.Handle("/", s.handler)
		both.Handle("/sim/", s.control)
		s.handler = both
	}
	return s
}

// Handler serves the Sinch APIs, and the control API unless it has an address
// of its own.
func (s *Simulator) Handler() http.Handler { return s.handler }

// ControlHandler serves the control API under /sim/.
func (s *Simulator) ControlHandler() http.Handler { return s.control }

// counted counts the calls under way.
func (s *Simulator) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.inFlight.Add(1)
		defer s.inFlight.Add(-1)
		next.ServeHTTP(w, r)
	})
}

// Start begins to deliver receipts, until Stop or the end of ctx. A second call has no
// effect.
func (s *Simulator) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return ErrStopped
	}
	if s.started {
		return nil
	}
	s.started = true
	ctx, s.cancel = context.WithCancel(ctx)
	for _, l := range s.lanes {
		l.open()
		s.senders.Go(func() { l.run(ctx) })
	}
	return nil
}

// Stop ends hanging calls and the delivery of receipts, and waits for it until ctx
// ends. Waiting receipts are dropped. It may be called at any time and repeatedly.
func (s *Simulator) Stop(ctx context.Context) error {
	s.mu.Lock()
	if !s.stopped {
		s.stopped = true
		close(s.stopping)
		if s.cancel != nil {
			s.cancel()
		}
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.senders.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for _, a := range s.apis {
		a.Close()
	}
	return nil
}

// Reset drops all calls, rules, batches, templates and waiting receipts, and restores
// the options.
func (s *Simulator) Reset() {
	s.script.reset()
	for _, a := range s.apis {
		a.Clear()
		a.Deliveries().reset()
	}
	s.recorder.reset()
}
