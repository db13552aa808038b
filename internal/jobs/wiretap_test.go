package jobs

import (
	"context"
	"net"
	"sync"

	"github.com/redis/go-redis/v9"
)

// wireTap is a hook that writes down what goes to Redis, and in which company.
type wireTap struct {
	mu        sync.Mutex
	alone     []string // names of commands
	pipelines [][]redis.Cmder
	hold      func() // called before each pipeline goes; nil: nothing
}

func (*wireTap) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (w *wireTap) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		w.mu.Lock()
		w.alone = append(w.alone, cmd.Name())
		w.mu.Unlock()
		return next(ctx, cmd)
	}
}

func (w *wireTap) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		w.mu.Lock()
		w.pipelines = append(w.pipelines, cmds)
		w.mu.Unlock()
		if w.hold != nil {
			w.hold()
		}
		return next(ctx, cmds)
	}
}

// asked counts the scripts whose first key was key.
func (w *wireTap) asked(key string) int {
	const firstKey = 3
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, pipeline := range w.pipelines {
		for _, cmd := range pipeline {
			if args := cmd.Args(); cmd.Name() == "evalsha" && len(args) > firstKey && args[firstKey] == key {
				n++
			}
		}
	}
	return n
}
