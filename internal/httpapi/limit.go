package httpapi

import (
	"cmp"
	"context"
	_ "embed" // limit.lua
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redisconn"
)

// Allowance is the limiter's decision on one request.
type Allowance struct {
	Allowed    bool
	Limit      int           // requests that may come at once
	Remaining  int           // of them, now
	Reset      time.Duration // until Remaining is Limit again
	RetryAfter time.Duration // until another request is allowed
}

// Limiter limits the requests of a key over all replicas.
type Limiter interface {
	// Allow counts a request of a key limited to perSecond requests a second.
	Allow(ctx context.Context, keyID string, perSecond float64) (Allowance, error)
}

//go:embed limit.lua
var limitLua string

// RateLimit is a Limiter in Redis.
type RateLimit struct {
	rdb    redis.UniversalClient
	script *redis.Script
}

// NewRateLimit makes a RateLimit.
func NewRateLimit(rdb redis.UniversalClient) *RateLimit {
	return &RateLimit{rdb: rdb, script: redis.NewScript(limitLua)}
}

// Allow implements Limiter. The burst is one second's worth of requests.
func (r *RateLimit) Allow(ctx context.Context, keyID string, perSecond float64) (Allowance, error) {
	burst := max(1, int(math.Ceil(perSecond)))
	interval := math.Ceil(float64(time.Second/time.Microsecond) / perSecond)
	reply, err := r.script.Run(ctx, r.rdb, []string{redisconn.KeyPrefix + "rate:" + keyID}, int64(interval), burst).Int64Slice()
	if err != nil {
		return Allowance{}, fmt.Errorf("rate limit: %w", err)
	}
	const members = 4
	if len(reply) != members {
		return Allowance{}, fmt.Errorf("rate limit: %d members in the reply, want %d", len(reply), members)
	}
	return Allowance{
		Allowed: reply[0] == 1, Limit: burst, Remaining: int(reply[1]),
		Reset: time.Duration(reply[2]) * time.Microsecond, RetryAfter: time.Duration(reply[3]) * time.Microsecond,
	}, nil
}

// limitTimeout is short: a limiter that does not respond must not delay the
// request beyond its time.
const limitTimeout = 300 * time.Millisecond

// limit refuses requests over the key's rate. When the limiter fails, the request
// passes: the ledger still protects the storage.
func (a *api) limit(c echo.Context, caller Caller) error {
	perSecond := cmp.Or(caller.Rate, a.Rate)
	if perSecond == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), limitTimeout)
	defer cancel()
	allowance, err := a.Limiter.Allow(ctx, caller.KeyID, perSecond)
	if err != nil {
		a.Log.Warn().Str("request_id", callOf(c).logged).Err(err).Msg("rate limit skipped: the limiter failed")
		return nil
	}
	h := c.Response().Header()
	h.Set("RateLimit-Limit", strconv.Itoa(allowance.Limit))
	h.Set("RateLimit-Remaining", strconv.Itoa(allowance.Remaining))
	h.Set("RateLimit-Reset", seconds(allowance.Reset, 0))
	if allowance.Allowed {
		return nil
	}
	h.Set(echo.HeaderRetryAfter, seconds(allowance.RetryAfter, 1))
	return newProblem(codeRateLimited, "This key sends more requests than it may.")
}

// seconds rounds up to whole seconds, the unit of the headers.
func seconds(d time.Duration, least int) string {
	return strconv.Itoa(max(least, int(math.Ceil(d.Seconds()))))
}
