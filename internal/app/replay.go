package app

import (
	"context"

	"mmsdispatch/internal/background"
	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/replay"
	"mmsdispatch/internal/telemetry"
)

// replays is the store of replays.
func (e *environment) replays() *replay.Store {
	return replay.NewStore(e.rdb, e.ledger, e.cfg.Store.RecordTTL)
}

// replayRunner runs the replays of many messages.
func replayRunner(env *environment) part {
	log := env.log.With().Str("part", "replays").Logger()
	report := telemetry.NewStateLog(log, "replays wait", "replays go on again").Report
	suppress := func(ctx context.Context, scope message.Scope, number, reason string) (added bool, err error) {
		_, added, err = env.optOuts.Put(ctx, scope, number, "", reason)
		return added, err
	}
	runner := replay.NewRunner(env.replays(), queue.New(env.rdb, env.cfg.Worker.TaskTimeout), suppress, report, log)
	return part{name: "replays", Service: background.Loop(runner.Run)}
}
