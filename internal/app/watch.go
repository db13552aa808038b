package app

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/background"
	"mmsdispatch/internal/redisconn"
	"mmsdispatch/internal/telemetry"
)

// watchEvery is the interval of the checks of Redis' settings.
const watchEvery = 2 * time.Second

// The rights of the Redis user are checked at this interval, and while some are
// missing at each check.
const rightsEvery = 15 * time.Second

// redisWatch checks Redis' settings and keeps the faults found.
type redisWatch struct {
	rdb      redis.UniversalClient
	log      zerolog.Logger
	metrics  *telemetry.RedisMetrics
	embedded bool // without users and some commands
	answers  *telemetry.StateLog

	found   atomic.Pointer[[]string]
	rights  atomic.Pointer[redisconn.Rights]
	checked time.Time // of the last check of rights; used by run only
	down    atomic.Bool
	least   atomic.Int64 // replicas that must acknowledge a write
}

func newRedisWatch(rdb redis.UniversalClient, log zerolog.Logger, metrics *telemetry.RedisMetrics, embedded bool) *redisWatch {
	return &redisWatch{
		rdb: rdb, log: log, metrics: metrics, embedded: embedded,
		answers: telemetry.NewStateLog(log, "redis does not answer", "redis answers again"),
	}
}

// warnings returns the faults found last, with missing rights.
func (w *redisWatch) warnings() []string {
	var all []string
	if found := w.found.Load(); found != nil {
		all = append(all, *found...)
	}
	if rights := w.rights.Load(); rights != nil && rights.Err() != nil {
		all = append(all, rights.Err().Error())
	}
	return all
}

// allowed fails when needed rights are missing. It queries Redis only before the
// first check and while rights are missing.
func (w *redisWatch) allowed(ctx context.Context) error {
	if w.embedded {
		return nil
	}
	rights := w.rights.Load()
	if rights == nil || rights.Err() != nil {
		fresh, err := redisconn.CheckRights(ctx, w.rdb)
		if err != nil {
			return err
		}
		rights = &fresh
		w.rights.Store(rights)
	}
	return rights.Err()
}

// minReplicas is the number of replicas that must acknowledge a begin before its
// request is sent: the number that Redis itself requires.
func (w *redisWatch) minReplicas() int { return int(w.least.Load()) }

func (w *redisWatch) part() part { return part{name: "redis watch", Service: background.Loop(w.run)} }

func (w *redisWatch) run(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		w.check(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (w *redisWatch) check(ctx context.Context) {
	health, err := redisconn.Inspect(ctx, w.rdb)
	w.answers.Report(err)
	w.down.Store(err != nil)
	w.metrics.SetUp(err == nil)
	if err != nil {
		return
	}
	warnings := slices.Concat(health.Warnings, w.checkRights(ctx))
	var known []string
	if found := w.found.Load(); found != nil {
		known = *found
	}
	for _, warning := range warnings {
		if !slices.Contains(known, warning) {
			w.log.Warn().Msg(warning)
		}
	}
	w.found.Store(&warnings)
	w.least.Store(int64(health.MinReplicas))
	w.metrics.SetWarnings(kinds(health)...)
	w.metrics.SetMemory(health.UsedMemory, health.MaxMemory)
}

// checkRights returns warnings about forbidden commands that the service can do
// without, and logs changes of needed rights.
func (w *redisWatch) checkRights(ctx context.Context) []string {
	if w.embedded {
		return nil
	}
	last := w.rights.Load()
	if last != nil && last.Err() == nil && time.Since(w.checked) < rightsEvery {
		return last.Warnings
	}
	rights, err := redisconn.CheckRights(ctx, w.rdb)
	if err != nil {
		return nil // the next check reports whether Redis responds
	}
	w.checked = time.Now()
	w.rights.Store(&rights)
	return rights.Warnings
}

// kinds names the faults for the metric, whose labels must not change with the
// wording of the warnings.
func kinds(h redisconn.Health) []string {
	var names []string
	if h.Policy != "" && h.Policy != "noeviction" {
		names = append(names, "evicting")
	}
	if !h.AOF && h.Role != "" {
		names = append(names, "no_append_only_file")
	}
	if h.Role != "" && h.Role != redisconn.RoleMaster {
		names = append(names, "not_a_primary")
	}
	return names
}
