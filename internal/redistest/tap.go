package redistest

import (
	"context"
	"net"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Tap is a hook that records the commands and pipelines of a client.
type Tap struct {
	Commands  []string // names of commands outside pipelines
	Pipelines [][]redis.Cmder
	// BeforePipeline, if not nil, is called before each pipeline is sent.
	BeforePipeline func()

	mu sync.Mutex
}

// DialHook implements redis.Hook.
func (*Tap) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook implements redis.Hook.
func (w *Tap) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if name := cmd.Name(); name != "hello" { // of a new connection
			w.mu.Lock()
			w.Commands = append(w.Commands, name)
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
		if w.BeforePipeline != nil {
			w.BeforePipeline()
		}
		return next(ctx, cmds)
	}
}

// Scripts counts the scripts whose first key was key.
func (w *Tap) Scripts(key string) int {
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

// Count returns the number of pipelines so far.
func (w *Tap) Count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.Pipelines)
}
