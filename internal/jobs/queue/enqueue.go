package queue

import (
	"context"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/asynqredis"
	"mmsdispatch/internal/batcher"
)

// enqueueMany enqueues tasks in one round trip. The results are true for the tasks
// that were missing.
func (q *Queue) enqueueMany(ctx context.Context, tasks []Task) []batcher.Result[bool] {
	if len(tasks) == 0 {
		return nil
	}
	pipe := q.rdb.Pipeline()
	for _, t := range tasks {
		if _, err := q.Enqueue(asynqredis.Pipelined(ctx, pipe), t); err != nil {
			return batcher.Failed[bool](len(tasks), err)
		}
	}
	lanes := make(map[string]bool)
	for _, t := range tasks {
		lanes[t.Lane] = true
	}
	made := pipe.Len()
	q.notifier.Notify(ctx, pipe, lanes)
	cmds, _ := pipe.Exec(ctx) // each has its own error
	if made != len(tasks) || len(cmds) < made {
		return batcher.Failed[bool](len(tasks), asynqredis.ErrNotPipelined)
	}
	answers := make([]batcher.Result[bool], len(tasks))
	var unknown []int // tasks whose script Redis has not loaded
	for i, cmd := range cmds[:made] {
		answers[i].Value, answers[i].Err = asynqredis.Enqueued(cmd)
		if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
			unknown = append(unknown, i)
		}
	}
	if len(unknown) > 0 {
		q.loadScript(ctx, tasks, unknown, answers)
	}
	return answers
}

// loadScript enqueues the first of the tasks alone, so that asynq loads the script
// into Redis, and then the others.
func (q *Queue) loadScript(ctx context.Context, tasks []Task, which []int, answers []batcher.Result[bool]) {
	first, others := which[0], which[1:]
	answers[first].Value, answers[first].Err = q.Enqueue(ctx, tasks[first])
	if len(others) == 0 || answers[first].Err != nil {
		return
	}
	again := make([]Task, len(others))
	for i, place := range others {
		again[i] = tasks[place]
	}
	for i, answer := range q.enqueueMany(ctx, again) {
		answers[others[i]] = answer
	}
}
