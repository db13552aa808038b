package throttle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// The bounds of a pace, as of SINCH_RATE; 0 switches it off.
const (
	minRate = 0.001
	maxRate = 1_000_000
)

// ErrRate says that a pace is outside its bounds.
var ErrRate = errors.New("the pace must be 0 (off) or from 0.001 to 1000000 per second")

// Rate is a pace that an operator set for all workers, in place of SINCH_RATE.
type Rate struct {
	PerSecond float64
	Reason    string
	Actor     string
	Since     time.Time
}

func rateKey(prefix string) string { return cmp.Or(prefix, DefaultPrefix) + "pace:set" }

// The fields of a Rate in Redis; lua/take.lua reads the first.
const (
	ratePerSecond = "perSecond"
	rateReason    = "reason"
	rateActor     = "actor"
	rateSince     = "since"
)

// CheckRate returns ErrRate for a pace out of bounds.
func CheckRate(perSecond float64) error {
	if perSecond != 0 && !(perSecond >= minRate && perSecond <= maxRate) { // NaN, too
		return ErrRate
	}
	return nil
}

// SetRate sets the pace of all workers under the prefix; the next tokens are
// taken at it. ErrRate says that it is out of bounds.
func SetRate(ctx context.Context, rdb redis.UniversalClient, prefix string, r Rate) error {
	if err := CheckRate(r.PerSecond); err != nil {
		return err
	}
	err := rdb.HSet(ctx, rateKey(prefix),
		ratePerSecond, strconv.FormatFloat(r.PerSecond, 'f', -1, 64),
		rateReason, r.Reason, rateActor, r.Actor, rateSince, r.Since.UnixMilli()).Err()
	if err != nil {
		return fmt.Errorf("set the pace: %w", err)
	}
	return nil
}

// ResetRate returns all workers to SINCH_RATE.
func ResetRate(ctx context.Context, rdb redis.UniversalClient, prefix string) error {
	if err := rdb.Del(ctx, rateKey(prefix)).Err(); err != nil {
		return fmt.Errorf("reset the pace: %w", err)
	}
	return nil
}

// CurrentRate returns the pace that was set, or nil when SINCH_RATE holds.
func CurrentRate(ctx context.Context, rdb redis.UniversalClient, prefix string) (*Rate, error) {
	fields, err := rdb.HGetAll(ctx, rateKey(prefix)).Result()
	if err != nil {
		return nil, fmt.Errorf("read the pace: %w", err)
	}
	perSecond, err := strconv.ParseFloat(fields[ratePerSecond], 64)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // as lua/take.lua: without a number SINCH_RATE holds
	}
	return &Rate{PerSecond: perSecond, Reason: fields[rateReason], Actor: fields[rateActor], Since: parseMillis(fields[rateSince])}, nil
}
