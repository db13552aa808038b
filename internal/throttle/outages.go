package throttle

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// outageKept is how long after its next probe an outage is shown: a process that
// dies does not report that its breaker closed.
const outageKept = time.Minute

// outages shows the other processes that the breaker of this one is open.
type outages struct {
	rdb redis.UniversalClient
	key string
	id  string // of this process

	mu      sync.Mutex
	since   time.Time // zero: the breaker is closed
	probeAt time.Time
	writing bool
}

func outagesKey(prefix string) string { return prefix + "gate:breakers" }

func newOutages(rdb redis.UniversalClient, prefix string) *outages {
	return &outages{rdb: rdb, key: outagesKey(prefix), id: rand.Text()}
}

// changed takes in when the breaker next probes; zero: it is closed. It does not
// wait for Redis.
func (o *outages) changed(probeAt time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.probeAt = probeAt; probeAt.IsZero() {
		o.since = time.Time{}
	} else if o.since.IsZero() {
		o.since = time.Now()
	}
	if !o.writing {
		o.writing = true
		go o.write()
	}
}

// write writes until Redis has the latest state. What it does not take is shown
// too long, up to outageKept, or not at all.
func (o *outages) write() {
	for {
		o.mu.Lock()
		since, probeAt := o.since, o.probeAt
		o.mu.Unlock()
		_ = bounded(func(ctx context.Context) error {
			if since.IsZero() {
				return o.rdb.HDel(ctx, o.key, o.id).Err()
			}
			return o.rdb.HSet(ctx, o.key, o.id, fmt.Sprintf("%d %d", since.UnixMilli(), probeAt.UnixMilli())).Err()
		})
		o.mu.Lock()
		if since.Equal(o.since) && probeAt.Equal(o.probeAt) {
			o.writing = false
			o.mu.Unlock()
			return
		}
		o.mu.Unlock()
	}
}

// removeStale removes the outages of processes that no longer run.
func (o *outages) removeStale(ctx context.Context) error {
	values, err := o.rdb.HGetAll(ctx, o.key).Result()
	if err != nil {
		return unavailable(ctx, err)
	}
	for id, value := range values {
		if _, lasts := parseOutage(value, time.Now()); lasts {
			continue
		}
		if err := o.rdb.HDel(ctx, o.key, id).Err(); err != nil {
			return unavailable(ctx, err)
		}
	}
	return nil
}

// parseOutage reads the outage of a process; lasts is false once it is too old.
func parseOutage(value string, now time.Time) (p AutomaticPause, lasts bool) {
	since, probeAt, _ := strings.Cut(value, " ")
	p = AutomaticPause{Since: parseMillis(since), ProbeAt: parseMillis(probeAt)}
	return p, now.Before(p.ProbeAt.Add(outageKept))
}
