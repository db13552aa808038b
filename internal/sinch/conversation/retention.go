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
	// retentionFor is how long a policy that was read is used.
	retentionFor = time.Minute
	// longestRetention is the most days that Sinch takes.
	longestRetention = 3650
)

// retention is how long the app keeps what it dispatches, as read last.
type retention struct {
	mu   sync.Mutex
	days int
	read time.Time
}

// app is what is read of an app.
type app struct {
	ID     sinch.Text `json:"id"`
	Policy struct {
		Days int `json:"ttl_days"`
	} `json:"dispatch_retention_policy"`
}

// keeps returns nil when the app still keeps what it dispatched at begun. By
// default it keeps nothing (Conversation documentation, processing modes).
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

// retention reads the policy, at most once in a while.
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
