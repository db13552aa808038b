// Package operator performs the changes that operators make to a running
// installation, for mmsctl and the admin listener. Each change is recorded
// before it takes effect; one that cannot be recorded does not take place.
package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redisconn"
)

var (
	// ErrUnavailable is redisconn.ErrUnavailable of the audit.
	ErrUnavailable = fmt.Errorf("audit: %w", redisconn.ErrUnavailable)
	// ErrReason says that a change needs a reason and has none.
	ErrReason = errors.New("a reason is required")
)

// Operator acts under one name. It is safe for concurrent use.
type Operator struct {
	rdb    redis.UniversalClient
	name   string
	from   Origin
	logged bool
}

// New returns the operator of that name.
func New(rdb redis.UniversalClient, name string, from Origin) *Operator {
	return &Operator{rdb: rdb, name: name, from: from}
}

// Logged returns the operator with its actions put on the list of the long-term log,
// too, if there is one.
func (o *Operator) Logged(on bool) *Operator {
	logged := *o
	logged.logged = on
	return &logged
}

// Change is what an action does to its target.
type Change struct {
	Action Action
	Target string
	Reason string
	Before any
	After  any
}

// Record records a change. The caller makes the change once Record has returned
// nil.
func (o *Operator) Record(ctx context.Context, c Change) error {
	return audit{o.rdb, o.logged}.add(ctx, Entry{
		At: time.Now().UTC().Truncate(time.Millisecond), Actor: o.name, From: o.from,
		Action: c.Action, Target: c.Target, Reason: c.Reason, Before: c.Before, After: c.After,
	})
}
