package operator

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/pause"
	"mmsdispatch/internal/throttle"
)

// PauseInForce is a pause as lists of operators show it. A nil time: it ends when it
// is resumed, or there is no probe.
type PauseInForce struct {
	Scope   string     `json:"scope"`
	Reason  string     `json:"reason"`
	Actor   string     `json:"actor"`
	Since   time.Time  `json:"since"`
	Until   *time.Time `json:"until"`
	ProbeAt *time.Time `json:"probeAt"`
}

const (
	// automatic is the actor of pauses that begin and end by themselves.
	automatic = "automatic"
	// accountScope is their scope.
	accountScope = "account"
)

// Pauses lists all pauses, the oldest first: of operators, of tenants, and those
// that answers of Sinch have caused.
func Pauses(ctx context.Context, rdb redis.UniversalClient) ([]PauseInForce, error) {
	set, err := pause.NewStore(rdb).Read(ctx)
	if err != nil {
		return nil, err
	}
	found, err := throttle.AutomaticPauses(ctx, rdb, "")
	if err != nil {
		return nil, err
	}
	pauses := make([]PauseInForce, 0, len(set)+len(found))
	for _, p := range set {
		pauses = append(pauses, PauseInForce{Scope: string(p.Scope), Reason: p.Reason, Actor: p.Actor, Since: p.Since})
	}
	for _, p := range found {
		pauses = append(pauses, PauseInForce{
			Scope: accountScope, Reason: p.Reason, Actor: automatic,
			Since: p.Since.UTC(), Until: instant(p.Until.UTC()), ProbeAt: instant(p.ProbeAt.UTC()),
		})
	}
	slices.SortFunc(pauses, func(a, b PauseInForce) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Scope, b.Scope))
	})
	return pauses, nil
}
