package app

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redisconn"
)

// instanceWatch notices with every new connection whether another Redis
// answers than before: one that was restarted, or a replica that took over. One
// that has just started may have been another before this process was.
type instanceWatch struct {
	mu      sync.Mutex
	runID   string
	changed func()
}

// onConnect is called with every new connection before it is used, so that no
// command goes to another server unnoticed.
func (w *instanceWatch) onConnect(ctx context.Context, conn *redis.Conn) error {
	text, err := conn.Info(ctx, "server").Result()
	if err != nil {
		return nil // a server that hides it is not suspected
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

// justStarted is the age up to which a Redis may have lost something that other
// workers are still to tell it of.
const justStarted = 10 * time.Second

func young(info map[string]string) bool {
	seconds, err := strconv.Atoi(info["uptime_in_seconds"])
	return err == nil && time.Duration(seconds)*time.Second < justStarted
}

// tell sets who is told of a change.
func (w *instanceWatch) tell(changed func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed = changed
}
