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
	tasks   chan job // unbuffered: only an idle goroutine receives one
}

// job carries the arguments of one ProcessTask to a goroutine of the pool.
type job struct {
	ctx  context.Context //nolint:containedctx // an argument of ProcessTask
	task *asynq.Task
	done chan error
}

func newPool(handler asynq.Handler) *pool { return &pool{handler: handler, tasks: make(chan job)} }

// work is the loop of each goroutine of the pool.
func (p *pool) work(ctx context.Context) {
	for {
		select {
		case j := <-p.tasks:
			j.done <- p.handler.ProcessTask(j.ctx, j.task)
		case <-ctx.Done():
			return
		}
	}
}

// ProcessTask implements asynq.Handler. Without an idle goroutine it runs the task
// itself: a task that asynq has abandoned still occupies one.
func (p *pool) ProcessTask(ctx context.Context, task *asynq.Task) error {
	j := job{ctx: ctx, task: task, done: make(chan error, 1)}
	select {
	case p.tasks <- j:
		return <-j.done
	default:
		return p.handler.ProcessTask(ctx, task) //nolint:wrapcheck // the same
	}
}
