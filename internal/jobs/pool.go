package jobs

import (
	"context"

	"github.com/hibiken/asynq"
)

// pool runs tasks on long-lived goroutines. asynq starts a new goroutine for each
// task, whose stack would have to grow several times during the call: a tenth of
// the worker's time.
type pool struct {
	handler asynq.Handler
	calls   chan func() // of handler; unbuffered: only an idle goroutine receives one
}

func newPool(handler asynq.Handler) *pool { return &pool{handler: handler, calls: make(chan func())} }

// work is the loop of each goroutine of the pool.
func (p *pool) work(ctx context.Context) {
	for {
		select {
		case call := <-p.calls:
			call()
		case <-ctx.Done():
			return
		}
	}
}

// ProcessTask implements asynq.Handler. Without an idle goroutine it runs the task
// itself: a task that asynq has abandoned still occupies one.
func (p *pool) ProcessTask(ctx context.Context, task *asynq.Task) error {
	done := make(chan error, 1)
	select {
	case p.calls <- func() { done <- p.handler.ProcessTask(ctx, task) }:
		return <-done
	default:
		return p.handler.ProcessTask(ctx, task) //nolint:wrapcheck // the same
	}
}
