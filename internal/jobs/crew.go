package jobs

import (
	"context"
	"sync"

	"github.com/hibiken/asynq"
)

// crew runs tasks on goroutines that stay. asynq makes a new one for each task,
// whose stack would have to grow several times on the way to Sinch: a tenth of
// the worker's time.
type crew struct {
	handler asynq.Handler
	tasks   chan errand // unbuffered: only who is free takes one
}

type errand struct {
	ctx  context.Context //nolint:containedctx // handed over with its task
	task *asynq.Task
	done chan error
}

// newCrew makes a crew of n, which leaves when ctx ends.
func newCrew(ctx context.Context, n int, handler asynq.Handler, wg *sync.WaitGroup) *crew {
	c := &crew{handler: handler, tasks: make(chan errand)}
	for range n {
		wg.Go(func() { c.work(ctx) })
	}
	return c
}

func (c *crew) work(ctx context.Context) {
	for {
		select {
		case e := <-c.tasks:
			e.done <- c.handler.ProcessTask(e.ctx, e.task)
		case <-ctx.Done():
			return
		}
	}
}

// ProcessTask implements asynq.Handler. With nobody free, it does the work
// itself: a task that asynq has given up is still under way.
func (c *crew) ProcessTask(ctx context.Context, task *asynq.Task) error {
	e := errand{ctx: ctx, task: task, done: make(chan error, 1)}
	select {
	case c.tasks <- e:
		return <-e.done
	default:
		return c.handler.ProcessTask(ctx, task) //nolint:wrapcheck // the same
	}
}
