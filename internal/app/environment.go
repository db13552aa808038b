package app

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/admin"
	"mmsdispatch/internal/apikey"
	"mmsdispatch/internal/asynqredis"
	"mmsdispatch/internal/background"
	"mmsdispatch/internal/callback"
	"mmsdispatch/internal/config"
	"mmsdispatch/internal/console"
	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/inbound"
	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/messagelog"
	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/redisconn"
	"mmsdispatch/internal/saved"
	"mmsdispatch/internal/suppression"
	"mmsdispatch/internal/telemetry"
	"mmsdispatch/internal/throttle"
	"mmsdispatch/internal/tracing"
)

// environment is the common part of both processes.
type environment struct {
	cfg       *config.Config
	log       zerolog.Logger
	metrics   *telemetry.Metrics
	tracer    *tracing.Tracer     // nil: nothing is traced
	reporter  *telemetry.Reporter // nil: nothing is reported
	redis     redisconn.Options
	rdb       redis.UniversalClient
	clock     *redisconn.Clock
	keys      *encryption.Keys
	ledger    *ledger.Ledger
	optOuts   *suppression.Store
	inbound   *inbound.Store
	saved     *saved.Store
	scopes    *callback.Scopes
	callbacks *callback.Store
	messages  *messagelog.Log // nil: there is no long-term log
	watch     *redisWatch
	ready     *admin.Readiness

	instance *instanceWatch
	pauses   *throttle.Watch
}

// newEnvironment builds the parts without dependencies on others. Redis need not
// be running.
func newEnvironment(cfg *config.Config, out io.Writer, conns int) (*environment, error) {
	reporter, err := newReporter(cfg)
	if err != nil {
		return nil, err
	}
	log, err := newLogger(cfg, reporter, out)
	if err != nil {
		return nil, err
	}
	metrics := telemetry.NewMetrics(telemetry.ReadBuild(string(cfg.Process)))
	tracer, err := newTracer(cfg, log)
	if err != nil {
		return nil, err
	}
	opts, err := redisOptions(cfg, conns)
	if err != nil {
		return nil, err
	}
	instance := watchInstance(&opts)
	rdb := redisconn.New(opts)
	rdb.AddHook(metrics.Redis.Hook())
	watch := newRedisWatch(rdb, log, metrics.Redis, cfg.Process == config.Dev)
	redis.SetLogger(telemetry.NewRedisLogger(log, metrics.Redis, watch.down.Load))
	clock := redisconn.NewClock(rdb, time.Now)
	scopes := callback.NewScopes(rdb)
	keys, err := recordKeys(cfg, log)
	if err != nil {
		return nil, err
	}
	senders, told := cfg.Sinch.SenderTenants.Canonical(), Events{callback.NewOutbox(scopes, keys)}
	optOuts, err := newOptOuts(cfg, suppression.Options{Redis: rdb, Metrics: metrics.OptOuts, Keys: keys, Senders: senders, Events: told})
	if err != nil {
		return nil, err
	}
	l, err := newLedger(cfg, rdb, metrics, ledger.Options{
		Consumers: consumers(scopes, !cfg.Store.DatabaseURL.IsZero()), Now: clock.Now, MinReplicas: watch.minReplicas,
		OptOutKey: optOuts.Key, Keys: keys, Canceled: freeReservation(cfg.Sinch, rdb, clock, log),
	})
	if err != nil {
		return nil, err
	}
	callbacks, err := callback.NewStore(rdb, clock.Now, keys, cfg.Process == config.Dev)
	if err != nil {
		return nil, fmt.Errorf("callbacks: %w", err)
	}
	env := &environment{
		scopes: scopes, callbacks: callbacks,
		cfg: cfg, log: log, metrics: metrics, tracer: tracer, reporter: reporter, redis: opts, rdb: rdb, clock: clock, keys: keys,
		ledger: l, optOuts: optOuts, watch: watch, instance: instance, saved: saved.NewStore(rdb, metrics.Saved, keys),
		inbound: newInbound(cfg, inbound.Options{Redis: rdb, Keys: keys, Senders: senders, Events: told}),
	}
	if err := env.openLog(); err != nil {
		return nil, err
	}
	env.pauses = throttle.NewWatch(rdb, func(p *throttle.Pause) { showPause(metrics, p) })
	env.ready = admin.NewReadiness(log, env.warnings, admin.Check{Name: "redis", Func: env.usable})
	metrics.Registry.MustRegister(telemetry.NewLaneCollector(env.readLanes), telemetry.NewCallbackCollector(env.readCallbacks),
		telemetry.NewPoolCollector(rdb.PoolStats), telemetry.NewUnknownCollector(env.readUnknown))
	return env, nil
}

// freeReservation gives the token of a canceled message back to its sender. nil: no
// sender has a pace.
func freeReservation(
	cfg config.Sinch, rdb redis.UniversalClient, clock *redisconn.Clock, log zerolog.Logger,
) func(context.Context, *message.Message) {
	if len(cfg.SenderRates) == 0 {
		return nil
	}
	reservations := throttle.NewReservations(rdb, throttle.PacerOptions{Senders: senderLimits(cfg), Now: clock.Now})
	return func(ctx context.Context, m *message.Message) {
		if err := reservations.Free(ctx, m); err != nil {
			log.Warn().Err(err).Str("message_id", string(m.ID)).Msg("the sender's pace keeps the token of a canceled message")
		}
	}
}

// countChange counts the new state of a message, and how long it took to be sent or
// delivered. Test messages are left out: they never reach Sinch.
func countChange(flow *telemetry.FlowMetrics, from message.Status, m *message.Message, since time.Duration) {
	if m.Scope.Test {
		return
	}
	if from == "" {
		flow.OfTenant(m.Scope.Tenant, "accepted")
		return
	}
	flow.OfTenant(m.Scope.Tenant, string(m.Status))
	switch m.Status {
	case message.StatusSent:
		flow.Sent(string(m.Content.Priority), since)
	case message.StatusDelivered:
		flow.Delivered(string(m.Content.Priority), since)
	default:
	}
}

// newLogger opens the log and begins it with what the configuration warns of.
func newLogger(cfg *config.Config, reporter *telemetry.Reporter, out io.Writer) (zerolog.Logger, error) {
	log, err := telemetry.NewLogger(telemetry.LogOptions{
		Level: cfg.Telemetry.LogLevel, Format: cfg.Telemetry.LogFormat, Process: string(cfg.Process), Writer: out, Reporter: reporter,
	})
	if err != nil {
		return log, fmt.Errorf("logger: %w", err)
	}
	if file := config.DotEnvFile("."); file != "" {
		log.Info().Str("file", file).Msg("a .env file was read; variables of the environment override it")
	}
	for _, warning := range cfg.Warnings() {
		log.Warn().Msg(warning)
	}
	return log, nil
}

func redisOptions(cfg *config.Config, conns int) (redisconn.Options, error) {
	opts, err := redisconn.Parse(cfg.Store.RedisURL.Reveal())
	if err != nil {
		return opts, fmt.Errorf("REDIS_URL: %w", err)
	}
	opts.Concurrency, opts.ClientName = conns, "mmsdispatch-"+string(cfg.Process)
	if cfg.Process == config.Worker {
		opts.Idle = idleWorkerConns
	}
	return opts, nil
}

// showPause sets the metric of a pause of the account; nil: there is none.
func showPause(metrics *telemetry.Metrics, p *throttle.Pause) {
	if p == nil {
		metrics.Attempts.SetAccountPaused(false, "")
		return
	}
	metrics.Attempts.SetAccountPaused(true, p.SinchCode)
}

// watchInstance watches whether connections are to the same Redis as before. A cluster
// has many servers at once; each begin is checked in any case.
func watchInstance(opts *redisconn.Options) *instanceWatch {
	instance := &instanceWatch{}
	if opts.Mode() != redisconn.ModeCluster {
		opts.OnConnect = instance.onConnect
	}
	return instance
}

// newOptOuts opens the store of opt-outs.
func newOptOuts(cfg *config.Config, opts suppression.Options) (*suppression.Store, error) {
	opts.OutboxKey, opts.Embedded = callback.OutboxKey, cfg.Process == config.Dev
	store, err := suppression.NewStore(opts)
	if err != nil {
		return nil, fmt.Errorf("opt-outs: %w", err)
	}
	return store, nil
}

// newInbound opens the store of messages of phones.
func newInbound(cfg *config.Config, opts inbound.Options) *inbound.Store {
	opts.TTL, opts.OutboxKey = cfg.Store.RecordTTL, callback.OutboxKey
	opts.Log, opts.Embedded = !cfg.Store.DatabaseURL.IsZero(), cfg.Process == config.Dev
	return inbound.NewStore(opts)
}

// newLedger opens the ledger as the configuration says.
func newLedger(cfg *config.Config, rdb redis.UniversalClient, metrics *telemetry.Metrics, opts ledger.Options) (*ledger.Ledger, error) {
	opts.Moved = func(from, to message.Status) { metrics.Messages.Moved(cmp.Or(string(from), "new"), string(to)) }
	opts.Changed = func(from message.Status, m *message.Message, since time.Duration) {
		countChange(metrics.Flow, from, m, since)
	}
	opts.RecordTTL, opts.ContentTTL = cfg.Store.RecordTTL, cfg.Store.ContentTTL
	opts.LaneLimit, opts.TenantLimit = int(cfg.API.QueueLimit), int(cfg.API.TenantLimit())
	opts.TenantMemory, opts.Embedded = int(cfg.API.TenantMemoryShare), cfg.Process == config.Dev
	l, err := ledger.New(rdb, opts)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return l, nil
}

// warnings returns those about Redis and, in a process that sends, about the
// account.
func (e *environment) warnings() []string {
	warnings := e.watch.warnings()
	if pause := e.pauses.Paused(); pause != nil && e.cfg.Process != config.API {
		warnings = append(slices.Clone(warnings), pause.String())
	}
	return warnings
}

// pauseWatch reads the pause of the account periodically.
func (e *environment) pauseWatch() part {
	return part{name: "watch of the account's pause", Service: background.Loop(e.pauses.Run)}
}

// usable reports whether Redis grants the needed rights and accepts writes.
func (e *environment) usable(ctx context.Context) error {
	if err := e.watch.allowed(ctx); err != nil {
		return err
	}
	return e.ledger.Writable(ctx)
}

// readLanes reads the lanes for the metrics.
func (e *environment) readLanes(ctx context.Context) (map[string]telemetry.LaneState, error) {
	lanes, err := e.ledger.Lanes(ctx)
	if err != nil {
		return nil, fmt.Errorf("read lanes: %w", err)
	}
	states := make(map[string]telemetry.LaneState, len(lanes))
	for lane, state := range lanes {
		messages := make(map[string]int64, len(state.Messages))
		for status, n := range state.Messages {
			messages[string(status)] = n
		}
		states[string(lane)] = telemetry.LaneState{Messages: messages, Oldest: state.Oldest}
	}
	return states, nil
}

// readUnknown reads the age of the oldest message of unknown outcome for the metrics.
func (e *environment) readUnknown(ctx context.Context) (time.Duration, error) {
	stored, err := apikey.NewStore(e.rdb).List(ctx)
	if err != nil {
		return 0, fmt.Errorf("list tenants: %w", err)
	}
	tenants := make(map[string]bool)
	for _, key := range stored {
		tenants[key.Tenant] = true
	}
	for _, key := range e.cfg.API.Keys.List() {
		tenants[key.Tenant] = true
	}
	scopes := make([]message.Scope, 0, len(tenants))
	for tenant := range tenants {
		scopes = append(scopes, message.Scope{Tenant: tenant})
	}
	oldest, err := e.ledger.OldestUnknown(ctx, scopes)
	if err != nil {
		return 0, fmt.Errorf("unknown messages: %w", err)
	}
	return oldest, nil
}

// admin returns the parts of the admin listener with the queue pages. It calls
// fail when the listener fails.
func (e *environment) admin(fail func(error)) ([]part, error) {
	queues, err := console.NewQueues(console.Options{
		Redis: queuePagesRedis{e.redis}, Write: e.cfg.Admin.Write, ErrorText: func(text string) string { return text },
		Lanes: queue.NewLanePause(e.rdb), Change: e.recordChange,
	})
	if err != nil {
		return nil, fmt.Errorf("queue pages: %w", err)
	}
	shown, err := e.console()
	if err != nil {
		return nil, err
	}
	asynqredis.WithoutMemory(e.rdb, telemetry.UnknownMemory)
	e.metrics.Registry.MustRegister(telemetry.NewQueueCollector(asynq.NewInspectorFromRedisClient(e.rdb), queue.Lanes()...))
	server := admin.New(admin.Options{
		Addr: string(e.cfg.Admin.Addr), User: string(e.cfg.Admin.User), Password: e.cfg.Admin.Password.Reveal(),
		Users: adminUsers(e.cfg.Admin),
		Log:   e.log, Metrics: e.metrics.Registry, Ready: e.ready, Queues: queues, Console: shown, Failed: fail,
	})
	return []part{
		closer("queue pages", e.log, queues.Close), e.pauseWatch(), e.sampler(), e.adminListener(server),
		{name: "streams of the console", Service: background.AtStop(func(context.Context) { shown.Close() })},
	}, nil
}

// adminUsers are the users of ADMIN_USERS.
func adminUsers(cfg config.Admin) []admin.User {
	listed := cfg.Users.List()
	users := make([]admin.User, 0, len(listed))
	for _, u := range listed {
		users = append(users, admin.User{Name: u.Name, Role: admin.ParseRole(u.Role), Hash: u.Hash.Reveal()})
	}
	return users
}

// recordChange records and logs a change that is made on the queue pages.
func (e *environment) recordChange(ctx context.Context, c console.Change) error {
	user := cmp.Or(c.User, "unknown")
	change := operator.Change{Action: operator.ActionQueueChange, Target: c.Target, After: map[string]string{"queue": string(c.Action)}}
	if err := operator.New(e.rdb, user, operator.FromConsole).Logged(e.hasLog()).Record(ctx, change); err != nil {
		return fmt.Errorf("record change: %w", err)
	}
	e.log.Info().Str("operator", user).Str("action", string(c.Action)).Str("target", c.Target).Msg("queues changed by an operator")
	return nil
}

func (e *environment) adminListener(server *admin.Server) part {
	return part{name: "admin listener", Service: background.New(
		func(ctx context.Context) error {
			if err := server.Start(ctx); err != nil {
				return cannotListen("ADMIN_ADDR", string(e.cfg.Admin.Addr), err)
			}
			e.log.Info().Str("addr", server.Addr().String()).Msg("admin listens")
			return nil
		},
		func(ctx context.Context) {
			if err := server.Stop(ctx); err != nil {
				e.log.Warn().Err(err).Msg("admin listener cut off")
			}
		},
	)}
}

// queuePagesRedis creates the Redis client of the queue pages.
type queuePagesRedis struct{ redisconn.Options }

// MakeRedisClient implements asynq.RedisConnOpt.
func (r queuePagesRedis) MakeRedisClient() any {
	return asynqredis.WithoutMemory(redisconn.New(r.Options), 0)
}

// readyEvery is how often a process that was not ready yet checks whether it is.
const readyEvery = time.Second

// readiness logs when the process is ready for the first time, and makes it leave
// the load balancer before it stops.
func (e *environment) readiness() part {
	watch := background.Loop(e.awaitReady)
	return part{name: "readiness", Service: background.New(watch.Start, func(ctx context.Context) {
		e.ready.Stopping()
		watch.Stop(ctx)
	})}
}

func (e *environment) awaitReady(ctx context.Context) {
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for len(e.ready.Down(ctx)) > 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
