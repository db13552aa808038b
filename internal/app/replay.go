package app

import (
	"mmsdispatch/internal/background"
	"mmsdispatch/internal/jobs/queue"
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
	runner := replay.NewRunner(env.replays(), queue.New(env.rdb, env.cfg.Worker.TaskTimeout), report, log)
	return part{name: "replays", Service: background.Loop(runner.Run)}
}
