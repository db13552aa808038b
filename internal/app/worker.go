package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"mmsdispatch/internal/background"
	"mmsdispatch/internal/config"
	"mmsdispatch/internal/jobs"
	"mmsdispatch/internal/jobs/dispatch"
	"mmsdispatch/internal/jobs/recovery"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/wire"
	"mmsdispatch/internal/telemetry"
	"mmsdispatch/internal/throttle"
	"mmsdispatch/internal/workers"
)

// connsPerSlot is the greatest number of Redis connections per slot of the
// worker: for its own commands and those of asynq.
const connsPerSlot = 2

// idleWorkerConns is the number of idle connections in a worker's pool.
// Concurrent commands share a round trip, so a busy worker uses few more.
const idleWorkerConns = 4

// newWorker builds a worker process.
func newWorker(_ context.Context, cfg *config.Config, out io.Writer) (*process, error) {
	env, err := newEnvironment(cfg, out, connsPerSlot*cfg.Worker.Concurrency)
	if err != nil {
		return nil, err
	}
	p := newProcess(env.log, cfg.Worker.ShutdownTimeout)
	p.panicked = env.panicked()
	p.add(env.exports())
	p.add(closer("redis", env.log, env.rdb.Close), env.watch.part(), env.clockPart(), env.scopesPart(), env.numberKey())
	p.add(env.logPart()...)
	adminParts, err := env.admin(p.fail)
	if err != nil {
		return nil, err
	}
	p.add(adminParts...)
	sending, err := sendingParts(env)
	if err != nil {
		return nil, err
	}
	p.add(callbackParts(env)...)
	p.add(replayRunner(env))
	p.add(logWriter(env)...)
	p.add(sending...)
	p.add(env.readiness())
	return p, nil
}

// sendingParts returns the simulator for test keys and the runner of the jobs.
func sendingParts(env *environment) ([]part, error) {
	cfg := env.cfg
	sim := newSimulator(env)
	client := wire.New(wire.Options{Connections: cfg.Worker.Concurrency, Skew: env.sinchSkew})
	routes, err := newRoutes(cfg, client, sim.client)
	if err != nil {
		return nil, err
	}
	limiter, calls := newLimiter(env, routes), workers.NewRecorder()
	opts := jobs.Options{
		Redis: env.rdb, Clock: env.clock.Now, Ledger: env.ledger, Providers: routes, OptOuts: env.optOuts,
		Log: env.log, AsynqLog: telemetry.NewAsynqLogger(env.log, env.watch.down.Load),
		Limiter:     measuredLimiter{limiter, env.metrics.Limiter},
		Tracer:      env.tracer,
		Metrics:     jobMetrics{metrics: env.metrics, calls: calls, simulated: routes.simulated},
		Concurrency: cfg.Worker.Concurrency,
		Shutdown:    cfg.Worker.ShutdownTimeout,
		Timing:      dispatch.Timing{Call: cfg.Sinch.Timeout, Task: cfg.Worker.TaskTimeout},
		Backoff:     dispatch.Backoff{Max: cfg.Retry.Max, Base: cfg.Retry.Base, Cap: cfg.Retry.Cap},
		Recovery: recovery.Policy{
			Unknown:        recovery.UnknownPolicy(cfg.Unknown.Policy),
			ReconcileAfter: cfg.Unknown.ReconcileAfter,
			LookupWindow:   cfg.Unknown.LookupWindow,
		},
	}
	if hours := newQuiet(cfg); hours != nil {
		opts.Quiet = hours
	}
	if savesShared(cfg) {
		opts.Saved = env.saved
	}
	parts := []part{sim.part()}
	checks, mediaParts, err := newWorkerMedia(env, routes.free)
	if err != nil {
		return nil, err
	}
	opts.Media = checks
	parts = append(parts, mediaParts...)
	runner := jobs.NewRunner(opts)
	env.instance.notify(runner.Suspect)
	parts = append(parts, compareRates(env, runner.WorkerID()), publishWorker(env, runner, calls))
	return append(parts, part{name: "worker", Service: background.New(
		func(ctx context.Context) error {
			env.log.Info().Str("worker", runner.WorkerID()).Msg("worker starts")
			limiter.Start(ctx)
			if err := runner.Start(ctx); err != nil {
				return fmt.Errorf("start: %w", err)
			}
			return nil
		},
		func(ctx context.Context) {
			runner.Stop(ctx)
			client.Close()
		},
	)}), nil
}

// compareRates logs while workers have different settings of SINCH_RATE.
func compareRates(env *environment, worker string) part {
	rates := throttle.ConfiguredRate{
		Redis: env.rdb, Worker: worker, Rate: env.cfg.Sinch.Rate, Now: env.clock.Now,
		Report: telemetry.NewStateLog(env.log,
			"workers have different settings of SINCH_RATE", "workers have the same SINCH_RATE again").Report,
	}
	return part{name: "comparison of SINCH_RATE", Service: background.Loop(rates.Run)}
}

// publishWorker publishes the state of this worker for the console.
func publishWorker(env *environment, runner *jobs.Runner, calls *workers.Recorder) part {
	host, _ := os.Hostname() // empty: it is not known
	publisher := workers.Publisher{
		Redis: env.rdb, Recorder: calls, Sending: runner.Calls, Now: env.clock.Now,
		Worker: workers.State{
			ID: runner.WorkerID(), Host: host, Version: telemetry.ReadBuild(string(env.cfg.Process)).Version,
			StartedAt: time.Now().UTC().Truncate(time.Millisecond), Concurrency: env.cfg.Worker.Concurrency, Rate: env.cfg.Sinch.Rate,
		},
	}
	return part{name: "state of the worker", Service: background.Loop(publisher.Run)}
}

// probeSlack is added to the task timeout before another message may probe.
const probeSlack = 5 * time.Second

// newLimiter builds the limiter of the configured account.
func newLimiter(env *environment, routes *routes) *throttle.Limiter {
	cfg, origin := env.cfg, routes.live.Origin()
	lease := cfg.Worker.TaskTimeout + probeSlack
	return throttle.NewLimiter(env.rdb, throttle.Options{
		Pacer: throttle.PacerOptions{Rate: cfg.Sinch.Rate, Senders: senderLimits(cfg.Sinch), Now: env.clock.Now},
		Gate: throttle.GateOptions{
			Account: string(origin.API) + " " + origin.BaseURL + " " + origin.Account,
			Pause:   cfg.Sinch.Pause, Lease: lease,
		},
		Breaker: throttle.BreakerOptions{Lease: lease},
		Exempt:  routes.free,
		Metrics: env.metrics.Attempts,
		Log:     env.log,
	})
}

// senderLimits are the limits of senders beside the account's pace.
func senderLimits(cfg config.Sinch) map[string]throttle.SenderLimit {
	limits := make(map[string]throttle.SenderLimit)
	for sender, perSecond := range cfg.SenderRates {
		limits[strings.TrimPrefix(string(sender), "+")] = throttle.SenderLimit{PerSecond: perSecond}
	}
	for sender, daily := range cfg.SenderDaily {
		digits := strings.TrimPrefix(string(sender), "+")
		limit := limits[digits]
		limit.Daily = daily
		limits[digits] = limit
	}
	return limits
}

// jobMetrics adapts the metrics to jobs.Metrics.
type jobMetrics struct {
	metrics   *telemetry.Metrics
	calls     *workers.Recorder
	simulated bool // live messages go to the simulator, too
}

// Attempt implements jobs.Metrics. Calls to the simulator say nothing about Sinch.
func (m jobMetrics) Attempt(api, outcome string, took time.Duration) {
	m.metrics.Attempts.Observe(api, outcome, took)
	if m.simulated || api != string(sinch.APISimulator) {
		m.calls.Record(took, isCallError(message.OutcomeKind(outcome)))
	}
}

// Concluded implements jobs.Metrics.
func (m jobMetrics) Concluded(api string, lane message.Lane, o message.Outcome, waited time.Duration) {
	m.metrics.Flow.Waited(string(lane), waited)
	if o.Kind != message.OutcomeAccepted {
		m.metrics.Attempts.Failed(api, string(o.Kind), string(o.Code), o.SinchCode)
	}
}

// measuredLimiter measures the waits for permits.
type measuredLimiter struct {
	*throttle.Limiter

	metrics *telemetry.LimiterMetrics
}

// Acquire implements dispatch.Limiter.
func (l measuredLimiter) Acquire(ctx context.Context, m *message.Message) (*throttle.Permit, error) {
	begun := time.Now()
	permit, err := l.Limiter.Acquire(ctx, m)
	if denied, ok := errors.AsType[*throttle.DeniedError](err); ok {
		l.metrics.Denied(string(denied.Cause), time.Since(begun))
	}
	if err == nil {
		l.metrics.Granted(time.Since(begun))
	}
	return permit, err
}

// isCallError reports whether a call failed for a cause other than its message.
func isCallError(kind message.OutcomeKind) bool {
	switch kind {
	case message.OutcomeNotSent, message.OutcomeThrottled, message.OutcomeAccount, message.OutcomeUnknown:
		return true
	default:
		return false
	}
}

// Swept implements jobs.Metrics.
func (m jobMetrics) Swept(err error) { m.metrics.Sweep.Round(time.Now(), err) }

// Recovered implements jobs.Metrics.
func (m jobMetrics) Recovered(kind string) { m.metrics.Sweep.Recovered(kind, 1) }
