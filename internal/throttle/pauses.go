package throttle

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Pause is a pause of an account.
type Pause struct {
	// SinchCode is Sinch's code of the last account error; empty when it gave none.
	SinchCode string
	Since     time.Time
	// ProbeAt is when the next message may probe, by Redis' clock.
	ProbeAt time.Time
}

// String describes the pause as task errors and warnings show it.
func (p Pause) String() string {
	return (&DeniedError{Cause: CauseAccount, SinchCode: p.SinchCode, ProbeAt: p.nextProbe(time.Now())}).Error()
}

// nextProbe is zero once a message may probe.
func (p Pause) nextProbe(now time.Time) time.Time {
	if p.ProbeAt.After(now) {
		return p.ProbeAt
	}
	return time.Time{}
}

func pausesKey(prefix string) string { return prefix + "gate:pauses" }

// Pauses returns the pauses of all accounts under the prefix, in any process.
func Pauses(ctx context.Context, rdb redis.UniversalClient, prefix string) ([]Pause, error) {
	values, err := rdb.HGetAll(ctx, pausesKey(cmp.Or(prefix, DefaultPrefix))).Result()
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	pauses := make([]Pause, 0, len(values))
	for _, value := range values {
		pauses = append(pauses, *parsePause(value))
	}
	return pauses, nil
}

// parsePause reads the value that lua/report.lua writes.
func parsePause(value string) *Pause {
	const fields = 3
	parts := strings.SplitN(value, " ", fields)
	if len(parts) < fields {
		return &Pause{}
	}
	return &Pause{Since: parseMillis(parts[0]), ProbeAt: parseMillis(parts[1]), SinchCode: parts[2]}
}

func parseMillis(text string) time.Time {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return fromMillis(ms)
}

// fromMillis is a moment of Redis' clock; zero stays zero.
func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
