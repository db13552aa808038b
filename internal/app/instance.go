package app

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redisconn"
)

// instanceWatch detects on each new connection whether Redis is another instance
// than before: it was restarted, or a replica was promoted. An instance that has
// just started may have been another one before this process started.
type instanceWatch struct {
	mu      sync.Mutex
	runID   string
	changed func()
}

// onConnect runs on each new connection before its first command, so that no
// command reaches another instance undetected.
func (w *instanceWatch) onConnect(ctx context.Context, conn *redis.Conn) error {
	text, err := conn.Info(ctx, "server").Result()
	if err != nil {
		return nil // a server that hides its run id cannot be compared
	}
	info := redisconn.ParseInfo(text)
	id := info["run_id"]
	w.mu.Lock()
	defer w.mu.Unlock()
	if id != w.runID && (w.runID != "" || young(info)) && w.changed != nil {
		w.changed()
	}
	w.runID = id
	return nil
}

// justStarted is the age up to which a Redis may have lost writes that other
// workers have still to restore.
const justStarted = 10 * time.Second

func young(info map[string]string) bool {
	seconds, err := strconv.Atoi(info["uptime_in_seconds"])
	return err == nil && time.Duration(seconds)*time.Second < justStarted
}

// notify sets the function called on a change.
func (w *instanceWatch) notify(changed func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed = changed
}
