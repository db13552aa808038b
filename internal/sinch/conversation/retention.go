package conversation

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"time"

	"mmsdispatch/internal/sinch"
)

const (
	// retentionFor is the lifetime of a cached policy.
	retentionFor = time.Minute
	// longestRetention is Sinch's maximum, in days.
	longestRetention = 3650
)

// retention is the cached retention policy of the app.
type retention struct {
	mu   sync.Mutex
	days int
	read time.Time
}

// app has the fields of an app that are read.
type app struct {
	ID     sinch.Text `json:"id"`
	Policy struct {
		Days int `json:"ttl_days"`
	} `json:"dispatch_retention_policy"`
}

// keeps returns nil if the app still retains a message dispatched at begun. By
// default it retains none (Conversation documentation, processing modes).
func (p *Provider) keeps(ctx context.Context, begun time.Time) error {
	days, err := p.retention(ctx)
	if err != nil {
		return err
	}
	if age := p.now().Sub(begun); age >= time.Duration(days)*24*time.Hour {
		return fmt.Errorf("%w: the app dispatches without retention, or for %d days only", sinch.ErrNotKept, days)
	}
	return nil
}

// retention returns the cached policy or reads it.
func (p *Provider) retention(ctx context.Context) (days int, err error) {
	now := p.now()
	if days, ok := p.kept.known(now); ok {
		return days, nil
	}
	var a app
	if _, err := p.query(ctx, "/apps/"+url.PathEscape(p.opts.AppID), &a); err != nil {
		return 0, err
	}
	if a.ID == "" {
		return 0, fmt.Errorf("%w: unreadable app", ErrLookup)
	}
	return p.kept.put(a.Policy.Days, now), nil
}

// known returns the policy if it was read within retentionFor.
func (r *retention) known(now time.Time) (days int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.days, now.Sub(r.read) < retentionFor
}

func (r *retention) put(days int, now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.days, r.read = min(days, longestRetention), now
	return r.days
}
