package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"
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

// RateLimit is a Limiter in Redis.
type RateLimit struct{ limiter *redis_rate.Limiter }

// NewRateLimit makes a RateLimit.
func NewRateLimit(rdb redis.UniversalClient) *RateLimit {
	return &RateLimit{limiter: redis_rate.NewLimiter(rdb)}
}

// Allow implements Limiter. The burst is one second's worth of requests.
func (r *RateLimit) Allow(ctx context.Context, keyID string, perSecond float64) (Allowance, error) {
	result, err := r.limiter.Allow(ctx, "api:"+keyID, redis_rate.Limit{
		Rate: 1, Period: time.Duration(float64(time.Second) / perSecond), Burst: max(1, int(math.Ceil(perSecond))),
	})
	if err != nil {
		return Allowance{}, fmt.Errorf("rate limit: %w", err)
	}
	return Allowance{
		Allowed: result.Allowed > 0, Limit: result.Limit.Burst, Remaining: result.Remaining,
		Reset: result.ResetAfter, RetryAfter: result.RetryAfter,
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
