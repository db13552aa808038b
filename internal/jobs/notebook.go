package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/gather"
	"mmsdispatch/internal/message"
)

// notebook is the Redis client under asynq's own. With a pipeline in the
// context it notes down there the script that makes a task, and says that the
// task was made; the truth comes when the pipeline is sent. So many tasks go to
// Redis at once, and asynq still says how each is made.
type notebook struct{ redis.UniversalClient }

type pipelineKey struct{}

// noting makes asynq's scripts be noted down in pipe.
func noting(ctx context.Context, pipe redis.Pipeliner) context.Context {
	return context.WithValue(ctx, pipelineKey{}, pipe)
}

// What asynq's scripts answer.
const (
	taskMade   = 1
	taskExists = 0
)

// EvalSha implements redis.Scripter.
func (n notebook) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	pipe, ok := ctx.Value(pipelineKey{}).(redis.Pipeliner)
	if !ok {
		return n.UniversalClient.EvalSha(ctx, sha, keys, args...)
	}
	pipe.EvalSha(ctx, sha, keys, args...)
	said := redis.NewCmd(ctx)
	said.SetVal(int64(taskMade))
	return said
}

// errNotNoted says that asynq makes tasks in another way than this package
// knows. TestAsynqMakesATaskByOneScript notices it first.
var errNotNoted = errors.New("asynq does not make a task by one script")

// enqueueMany makes the tasks of messages in one round trip, and answers of each
// whether it was missing.
func (q *Queue) enqueueMany(ctx context.Context, messages []*message.Message) []gather.Answer[bool] {
	pipe := q.rdb.Pipeline()
	for _, m := range messages {
		if _, err := q.enqueue(noting(ctx, pipe), m); err != nil {
			return gather.Failed[bool](len(messages), err)
		}
	}
	said, _ := pipe.Exec(ctx) // each has its own error
	if len(said) != len(messages) {
		return gather.Failed[bool](len(messages), errNotNoted)
	}
	answers := make([]gather.Answer[bool], len(messages))
	var unknown []int // those whose script Redis does not know
	for i, cmd := range said {
		answers[i].Value, answers[i].Err = reply(cmd)
		if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
			unknown = append(unknown, i)
		}
	}
	if len(unknown) > 0 {
		q.teach(ctx, messages, unknown, answers)
	}
	return answers
}

// reply reads what a script said about its task.
func reply(cmd redis.Cmder) (missing bool, err error) {
	made, ok := cmd.(*redis.Cmd)
	if !ok {
		return false, errNotNoted
	}
	n, err := made.Int64()
	switch {
	case err != nil:
		return false, fmt.Errorf("enqueue message: %w", err)
	case n != taskMade && n != taskExists:
		return false, errNotNoted
	default:
		return n == taskMade, nil
	}
}

// teach makes the first of the tasks alone, by which asynq lets Redis know the
// script, and then the others.
func (q *Queue) teach(ctx context.Context, messages []*message.Message, which []int, answers []gather.Answer[bool]) {
	first, others := which[0], which[1:]
	answers[first].Value, answers[first].Err = q.enqueue(ctx, messages[first])
	if len(others) == 0 || answers[first].Err != nil {
		return
	}
	again := make([]*message.Message, len(others))
	for i, place := range others {
		again[i] = messages[place]
	}
	for i, answer := range q.enqueueMany(ctx, again) {
		answers[others[i]] = answer
	}
}
