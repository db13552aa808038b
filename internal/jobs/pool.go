package jobs

import (
	"context"

	"github.com/hibiken/asynq"
)

// pool runs tasks on goroutines that stay. asynq makes a new one for each task,
// whose stack would have to grow several times on the way to Sinch: a tenth of
// the worker's time.
type pool struct {
	handler asynq.Handler
	tasks   chan job // unbuffered: only an idle goroutine takes one
}

type job struct {
	ctx  context.Context //nolint:containedctx // passed on with its task
	task *asynq.Task
	done chan error
}

func newPool(handler asynq.Handler) *pool { return &pool{handler: handler, tasks: make(chan job)} }

// work is what each goroutine of the pool runs.
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

// ProcessTask implements asynq.Handler. With no goroutine idle it runs the task
// itself: a task that asynq has given up is still under way.
func (p *pool) ProcessTask(ctx context.Context, task *asynq.Task) error {
	j := job{ctx: ctx, task: task, done: make(chan error, 1)}
	select {
	case p.tasks <- j:
		return <-j.done
	default:
		return p.handler.ProcessTask(ctx, task) //nolint:wrapcheck // the same
	}
}
