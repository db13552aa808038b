package sinch

import (
	"context"
	"sync"

	"mmsdispatch/internal/message"
)

// Phases receives the phases of the HTTP requests that are made under a context. It
// is safe for concurrent use.
type Phases struct {
	mu   sync.Mutex
	last *message.Phases
}

type phasesKey struct{}

// WithPhases returns a context whose requests report their phases.
func WithPhases(ctx context.Context) (context.Context, *Phases) {
	p := &Phases{}
	return context.WithValue(ctx, phasesKey{}, p), p
}

// PhasesOf is the receiver of a context; nil: it has none.
func PhasesOf(ctx context.Context) *Phases {
	p, _ := ctx.Value(phasesKey{}).(*Phases)
	return p
}

// Report is called with the phases of each request. p may be nil.
func (p *Phases) Report(of message.Phases) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = &of
}

// Last are the phases of the last request; nil: none was made. An access token that
// is fetched for a call comes before it.
func (p *Phases) Last() *message.Phases {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}
