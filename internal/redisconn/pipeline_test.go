package redisconn_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redistest"
)

// A pipeline whose connection Redis refuses to set up has no answers: each of
// its commands fails, with and without a transaction.
func TestCommandsOfARefusedPipelineFail(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	client, operator := connect(t, srv.URL()), srv.Client(t)
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]any{
		{"config", "set", "requirepass", "rotated"},
		{"client", "kill", "type", "normal", "skipme", "yes"},
	} {
		if err := operator.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	pipelines := map[string]func() redis.Pipeliner{"pipeline": client.Pipeline, "transaction": client.TxPipeline}
	for name, begin := range pipelines {
		pipe := begin()
		get, set, script := pipe.Get(t.Context(), "k"), pipe.Set(t.Context(), "k", "v", 0), pipe.EvalSha(t.Context(), "0", nil)
		if _, err := pipe.Exec(t.Context()); err == nil {
			t.Errorf("%s: no error", name)
		}
		for _, cmd := range []redis.Cmder{get, set, script} {
			if cmd.Err() == nil {
				t.Errorf("%s: %s has neither an error nor a value", name, cmd.Name())
			}
		}
	}
}

// The commands of a pipeline that was sent keep their own answers.
func TestCommandsOfASentPipelineKeepTheirAnswers(t *testing.T) {
	t.Parallel()
	client := connect(t, redistest.Start(t).URL())
	pipe := client.Pipeline()
	set, wrong, get := pipe.Set(t.Context(), "k", "v", 0), pipe.LPush(t.Context(), "k", "x"), pipe.Get(t.Context(), "k")
	if _, err := pipe.Exec(t.Context()); err == nil {
		t.Error("the pipeline has no error")
	}
	if set.Err() != nil || wrong.Err() == nil || get.Val() != "v" {
		t.Errorf("%v, %v, %v", set, wrong, get)
	}
}
