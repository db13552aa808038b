package throttle

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// watchEvery is how often a Watch reads Redis. A pause shows for that long after
// it ended.
const watchEvery = time.Second

// Watch follows the pause of the account in a process that makes no requests to
// Sinch. It is safe for concurrent use.
type Watch struct {
	rdb      redis.UniversalClient
	onChange func(p *Pause)
	pause    atomic.Pointer[Pause]
}

// NewWatch returns a Watch on rdb. onChange is called from Run with each reading
// that differs from the one before; nil says that there is no pause.
func NewWatch(rdb redis.UniversalClient, onChange func(p *Pause)) *Watch {
	return &Watch{rdb: rdb, onChange: onChange}
}

// Paused returns the pause that was last read, or nil.
func (w *Watch) Paused() *Pause { return w.pause.Load() }

// Run reads until ctx ends. A reading that fails changes nothing.
func (w *Watch) Run(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	w.onChange(nil)
	for {
		w.read(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (w *Watch) read(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	pauses, err := Pauses(ctx, w.rdb, "")
	if err != nil {
		return
	}
	var now *Pause
	if len(pauses) > 0 {
		now = &pauses[0]
	}
	before := w.pause.Swap(now)
	if (before == nil) != (now == nil) || now != nil && *before != *now {
		w.onChange(now)
	}
}
