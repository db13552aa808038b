package app

import (
	"context"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// instanceWatch notices with every new connection whether another Redis
// answers than before: one that was restarted, or a replica that took over.
type instanceWatch struct {
	mu      sync.Mutex
	runID   string
	changed func()
}

// onConnect is called with every new connection before it is used, so that no
// command goes to another server unnoticed.
func (w *instanceWatch) onConnect(ctx context.Context, conn *redis.Conn) error {
	info, err := conn.Info(ctx, "server").Result()
	if err != nil {
		return nil // a server that hides it is not suspected
	}
	id := runID(info)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.runID != "" && id != w.runID && w.changed != nil {
		w.changed()
	}
	w.runID = id
	return nil
}

// tell sets who is told of a change.
func (w *instanceWatch) tell(changed func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed = changed
}

func runID(info string) string {
	for line := range strings.Lines(info) {
		if id, found := strings.CutPrefix(strings.TrimSpace(line), "run_id:"); found {
			return id
		}
	}
	return ""
}
