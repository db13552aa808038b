package queue

import (
	"context"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/asynqredis"
	"mmsdispatch/internal/batcher"
)

// enqueueMany makes tasks in one round trip, and answers of each whether it was
// missing.
func (q *Queue) enqueueMany(ctx context.Context, tasks []Task) []batcher.Result[bool] {
	if len(tasks) == 0 {
		return nil
	}
	pipe := q.rdb.Pipeline()
	for _, t := range tasks {
		if _, err := q.Enqueue(asynqredis.Noting(ctx, pipe), t); err != nil {
			return batcher.Failed[bool](len(tasks), err)
		}
	}
	lanes := make(map[string]bool)
	for _, t := range tasks {
		lanes[t.Lane] = true
	}
	made := pipe.Len()
	q.notifier.Notify(ctx, pipe, lanes)
	said, _ := pipe.Exec(ctx) // each has its own error
	if made != len(tasks) || len(said) < made {
		return batcher.Failed[bool](len(tasks), asynqredis.ErrNotNoted)
	}
	answers := make([]batcher.Result[bool], len(tasks))
	var unknown []int // those whose script Redis does not know
	for i, cmd := range said[:made] {
		answers[i].Value, answers[i].Err = asynqredis.Made(cmd)
		if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
			unknown = append(unknown, i)
		}
	}
	if len(unknown) > 0 {
		q.teach(ctx, tasks, unknown, answers)
	}
	return answers
}

// teach makes the first of the tasks alone, by which asynq lets Redis know the
// script, and then the others.
func (q *Queue) teach(ctx context.Context, tasks []Task, which []int, answers []batcher.Result[bool]) {
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
