package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

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

// enqueueMany makes the tasks of messages in one round trip. It tries all of
// them and returns one of the errors.
func (q *Queue) enqueueMany(ctx context.Context, messages []*message.Message) error {
	if len(messages) == 0 {
		return nil
	}
	pipe := q.rdb.Pipeline()
	for _, m := range messages {
		if _, err := q.enqueue(noting(ctx, pipe), m); err != nil {
			return err
		}
	}
	said, _ := pipe.Exec(ctx) // each has its own error
	if len(said) != len(messages) {
		return errNotNoted
	}
	var (
		unknown []*message.Message // their script is not known to Redis
		failed  error
	)
	for i, cmd := range said {
		switch err := reply(cmd); {
		case redis.HasErrorPrefix(err, "NOSCRIPT"):
			unknown = append(unknown, messages[i])
		case err != nil:
			failed = err
		}
	}
	return errors.Join(failed, q.teach(ctx, unknown))
}

// reply reads what a script said about its task. One that was there already is
// no error.
func reply(cmd redis.Cmder) error {
	made, ok := cmd.(*redis.Cmd)
	if !ok {
		return errNotNoted
	}
	n, err := made.Int64()
	switch {
	case err != nil:
		return fmt.Errorf("enqueue message: %w", err)
	case n != taskMade && n != taskExists:
		return errNotNoted
	default:
		return nil
	}
}

// teach makes the task of the first message alone, by which asynq lets Redis
// know the script, and then those of the others.
func (q *Queue) teach(ctx context.Context, messages []*message.Message) error {
	if len(messages) == 0 {
		return nil
	}
	if _, err := q.enqueue(ctx, messages[0]); err != nil {
		return err
	}
	return q.enqueueMany(ctx, messages[1:])
}
