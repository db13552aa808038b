package conversation

import (
	"context"
	"time"

	"mmsdispatch/internal/sinch"
)

// Codes exports the table to the tests.
func Codes() sinch.Table { return codes }

// At gives the provider another clock.
func (p *Provider) At(now func() time.Time) *Provider {
	p.now = now
	return p
}

// Pausing replaces the delay between two token requests.
func (p *Provider) Pausing(pause func(ctx context.Context, d time.Duration)) *Provider {
	p.tokens.pause = pause
	return p
}
