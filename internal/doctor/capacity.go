package doctor

import (
	"context"
	"fmt"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/redisconn"
)

// capacity compares the memory of Redis with what the configured pace needs.
func (e *examination) capacity(_ context.Context, n *findings) {
	if e.rdb != nil {
		judgePace(n, e.health, e.cfg.Sinch.Rate, e.cfg.Store.RecordTTL)
	}
}

// judgePace forecasts the time at which Redis is full when messages are sent at the
// configured pace and kept for ttl.
func judgePace(n *findings, health redisconn.Health, perSecond float64, ttl time.Duration) {
	if health.MaxMemory == 0 || perSecond == 0 {
		return
	}
	room := fullFrom * float64(health.MaxMemory)
	perDay := perSecond * ledger.FinishedBytes * day.Seconds()
	needed := perSecond * ledger.FinishedBytes * ttl.Seconds()
	text := fmt.Sprintf("at %g messages a second", perSecond)
	if needed <= room {
		n.ok(fmt.Sprintf("%s, kept for %s (RECORD_TTL), messages use %.0f %% of the memory",
			text, ttl, 100*needed/float64(health.MaxMemory)))
		return
	}
	days := max(0, room-float64(health.UsedMemory)) / perDay
	n.warn(fmt.Sprintf("%s this Redis is full in %.1f days: a message uses about %d bytes for %s (RECORD_TTL)",
		text, days, ledger.FinishedBytes, ttl),
		fmt.Sprintf("set maxmemory to %s, or RECORD_TTL to %s at most",
			size(uint64(needed/fullFrom)), time.Duration(room/perDay*float64(day)).Truncate(time.Hour)))
}

// day is the unit of forecasts.
const day = 24 * time.Hour
