package operator

import (
	"context"
	"time"

	"mmsdispatch/internal/throttle"
)

// pace is a pace as an audit entry shows it; nil: SINCH_RATE.
type pace struct {
	PerSecond float64 `json:"perSecond"`
}

// accountPace is the target of changes of the pace.
const accountPace = "account"

// SetRate sets the pace of all workers. The error wraps throttle.ErrRate for a
// pace out of bounds, and is ErrReason without a reason.
func (o *Operator) SetRate(ctx context.Context, perSecond float64, reason string) error {
	if err := throttle.CheckRate(perSecond); err != nil {
		return err
	}
	if reason == "" {
		return ErrReason
	}
	if err := o.recordRate(ctx, Change{Action: ActionRateSet, Reason: reason, After: pace{perSecond}}); err != nil {
		return err
	}
	return throttle.SetRate(ctx, o.rdb, "", throttle.Rate{PerSecond: perSecond, Reason: reason, Actor: o.name, Since: time.Now()})
}

// ResetRate returns all workers to SINCH_RATE.
func (o *Operator) ResetRate(ctx context.Context, reason string) error {
	if err := o.recordRate(ctx, Change{Action: ActionRateReset, Reason: reason}); err != nil {
		return err
	}
	return throttle.ResetRate(ctx, o.rdb, "")
}

func (o *Operator) recordRate(ctx context.Context, c Change) error {
	before, err := throttle.CurrentRate(ctx, o.rdb, "")
	if err != nil {
		return err
	}
	if before != nil {
		c.Before = pace{before.PerSecond}
	}
	c.Target = accountPace
	return o.Record(ctx, c)
}
