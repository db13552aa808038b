package batches

import (
	"time"

	"mmsdispatch/internal/sinch"
)

// Codes exports the table to the tests.
func Codes() sinch.Table { return codes }

// At fixes the provider's clock.
func (p *Provider) At(now time.Time) *Provider {
	p.now = func() time.Time { return now }
	return p
}
