package redistest

import (
	"context"
	"net"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Tap is a hook that writes down what goes to Redis, and in which company.
type Tap struct {
	Alone     []string // names of commands
	Pipelines [][]redis.Cmder
	Hold      func() // called before each pipeline goes; nil: nothing

	mu sync.Mutex
}

// DialHook implements redis.Hook.
func (*Tap) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook implements redis.Hook.
func (w *Tap) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if name := cmd.Name(); name != "hello" { // which begins a connection
			w.mu.Lock()
			w.Alone = append(w.Alone, name)
			w.mu.Unlock()
		}
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook implements redis.Hook.
func (w *Tap) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		w.mu.Lock()
		w.Pipelines = append(w.Pipelines, cmds)
		w.mu.Unlock()
		if w.Hold != nil {
			w.Hold()
		}
		return next(ctx, cmds)
	}
}

// Asked counts the scripts whose first key was key.
func (w *Tap) Asked(key string) int {
	const firstKey = 3
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, pipeline := range w.Pipelines {
		for _, cmd := range pipeline {
			if args := cmd.Args(); cmd.Name() == "evalsha" && len(args) > firstKey && args[firstKey] == key {
				n++
			}
		}
	}
	return n
}

// Count is the number of pipelines so far.
func (w *Tap) Count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.Pipelines)
}
