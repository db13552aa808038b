package batches

import (
	"time"

	"mmsdispatch/internal/sinch"
)

// Codes shows the table to the tests.
func Codes() sinch.Table { return codes }

// At stops the provider's clock.
func (p *Provider) At(now time.Time) *Provider {
	p.now = func() time.Time { return now }
	return p
}
