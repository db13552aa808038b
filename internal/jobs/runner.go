// Package jobs runs the worker: asynq's servers with the handler of package
// dispatch, and the sweeper and the heartbeat of package recovery. Tasks are
// those of package queue.
package jobs

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/asynqredis"
	"mmsdispatch/internal/background"
	"mmsdispatch/internal/jobs/dispatch"
	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/jobs/recovery"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/pause"
	"mmsdispatch/internal/saved"
	"mmsdispatch/internal/telemetry"
	"mmsdispatch/internal/tracing"
)

// Options are the parts and settings of a worker process.
type Options struct {
	Redis       redis.UniversalClient
	Clock       func() time.Time // Redis' time, by which tasks are due; nil: the system's
	Ledger      *ledger.Ledger
	Media       dispatch.Media // nil: media are not checked
	Limiter     dispatch.Limiter
	Providers   dispatch.Providers
	OptOuts     dispatch.OptOuts
	Saved       *saved.Store   // nil: no media are saved at Sinch
	Quiet       dispatch.Quiet // nil: there are no quiet hours
	Metrics     Metrics
	Tracer      *tracing.Tracer // nil: no message is traced
	Log         zerolog.Logger
	AsynqLog    asynq.Logger
	Concurrency int           // calls at once in the normal and bulk lanes
	Shutdown    time.Duration // for calls in flight when it stops
	Timing      dispatch.Timing
	Backoff     dispatch.Backoff
	Recovery    recovery.Policy
}

// Metrics counts the attempts and recoveries of the worker.
type Metrics interface {
	dispatch.Metrics
	recovery.Metrics
}

const (
	// highShare of the concurrency comes on top of it for the high lane, which
	// has a server of its own, so that fifty slow bulk calls cannot delay it, and as
	// much for test messages, whose calls hang on purpose.
	highShare = 10
	// slotsPerServer and serversMax divide the other slots between servers:
	// each has one loop that dequeues tasks, which limits the rate of fast calls. With
	// two servers in place of these a worker sends half as many messages a second.
	slotsPerServer = 4
	serversMax     = 16
	// pollEvery is asynq's pause after it found no task. asynqredis blocks its servers
	// until there may be one, so that the pause can be short.
	pollEvery = time.Millisecond
	// janitorEvery is asynq's interval of deleting completed tasks, of which there are
	// none: no task is retained.
	janitorEvery = 24 * time.Hour
	// delayedEvery is the interval in which asynq enqueues scheduled tasks that are due.
	delayedEvery = 200 * time.Millisecond
)

// Runner runs the worker: asynq's servers, the heartbeat and the sweeper. Start
// does not need a reachable Redis. Stop dequeues no more tasks, waits until the
// calls in flight are finished and recorded, and ends the loops; when its context
// ends first, the sweeper of another process recovers the remaining messages.
type Runner struct {
	background.Service

	worker    *dispatch.Worker
	sweeper   *recovery.Sweeper
	heartbeat *recovery.Heartbeat
	servers   []*asynq.Server
	tasks     *asynqredis.Servers // the Redis clients of the servers
	handler   *dispatch.Handler
	pool      *pool // runs the tasks that the servers dequeue
	loops     background.Service
	ledger    *ledger.Ledger
	log       zerolog.Logger
}

// NewRunner builds a worker. It does nothing before Start.
func NewRunner(o Options) *Runner {
	life, end := context.WithCancel(context.Background()) // ends when even the calls in flight are abandoned
	open, closeDoor := context.WithCancel(life)           // ends when no new call begins
	worker, retry, tasks := dispatch.NewWorker(), o.Backoff.Retry(), queue.New(o.Redis, o.Timing.Task)
	pauses := pause.NewStore(o.Redis)
	if o.Clock == nil {
		o.Clock = time.Now
	}
	log := o.Log.With().Str("worker", worker.ID).Logger()
	recoverer := recovery.Options{
		Redis: o.Redis, Ledger: o.Ledger, Queue: tasks, Pauses: pauses, Worker: worker, Providers: o.Providers, Policy: o.Recovery,
		Retry: retry, CallTime: o.Timing.Call, Metrics: o.Metrics, Log: log,
	}
	r := &Runner{
		worker: worker, sweeper: recovery.NewSweeper(recoverer), heartbeat: recovery.NewHeartbeat(recoverer), ledger: o.Ledger, log: log,
	}
	slots := dispatch.Slots{High: part(o.Concurrency), Shared: o.Concurrency, Test: part(o.Concurrency)}
	r.handler = dispatch.New(dispatch.Options{
		Ledger: o.Ledger, Queue: tasks, Worker: worker, Media: o.Media, Limiter: o.Limiter, Providers: o.Providers,
		OptOuts: o.OptOuts, Pauses: pause.NewView(pauses), Saved: o.Saved, Quiet: o.Quiet, Metrics: o.Metrics, Tracer: o.Tracer,
		Retry: retry, Timing: o.Timing, Slots: slots, Log: log, Life: life, Open: open,
	})
	r.pool = newPool(r.handler)
	states := telemetry.NewStateLog(log, "tasks cannot be dequeued from Redis", "tasks are dequeued from Redis again")
	r.tasks = asynqredis.NewServers(life, o.Redis, o.Clock, queue.Lanes(), states.Report)
	shared := o.Concurrency
	if o.Media != nil { // tasks that wait for media take no slot
		shared += dispatch.MediaPlaces(o.Concurrency)
	}
	r.servers = slices.Concat(
		r.newServers(o, []int{slots.High}, map[string]int{string(message.High): 1}, string(message.High)),
		r.newServers(o, []int{slots.Test}, map[string]int{queue.Test: 1}, queue.Test),
		r.newServers(o, split(shared), queue.SharedLanes(), sharedName),
	)
	loops := slices.Repeat([]func(context.Context){r.pool.work}, slots.High+slots.Test+shared)
	r.loops = background.Loop(append(loops, r.heartbeat.Run, r.heartbeat.Listen, r.sweeper.Run, r.tasks.Watch)...)
	r.Service = background.New(r.start, func(ctx context.Context) {
		closeDoor()
		defer end()
		defer context.AfterFunc(ctx, func() {
			end()
			r.loops.Stop(ctx)
		})()
		r.stop(ctx)
	})
	return r
}

// part is how many slots a lane has that is served beside the others.
func part(concurrency int) int { return max(2, concurrency/highShare) }

// split divides slots between servers.
func split(slots int) []int {
	servers := min(max(1, slots/slotsPerServer), serversMax)
	parts := make([]int, servers)
	for i := range slots {
		parts[i%servers]++
	}
	return parts
}

// sharedName is shown for the servers of all lanes but high.
const sharedName = string(message.Normal) + "+" + string(message.Bulk)

// newServers creates a server for each number of slots. The queue UI shows them as
// one.
func (r *Runner) newServers(o Options, slots []int, lanes map[string]int, name string) []*asynq.Server {
	all := 0
	for _, n := range slots {
		all += n
	}
	group := r.tasks.Group(name, all, slices.Collect(maps.Keys(lanes))...)
	servers := make([]*asynq.Server, len(slots))
	for i, n := range slots {
		servers[i] = asynq.NewServerFromRedisClient(group.Client(), asynq.Config{
			Concurrency:              n,
			Queues:                   lanes,
			RetryDelayFunc:           dispatch.RetryDelay,
			IsFailure:                func(error) bool { return false }, // the ledger counts the tries
			ShutdownTimeout:          o.Shutdown,
			TaskCheckInterval:        pollEvery,
			DelayedTaskCheckInterval: delayedEvery,
			JanitorInterval:          janitorEvery,
			Logger:                   o.AsynqLog,
		})
	}
	return servers
}

// WorkerID is the identity of this process in the ledger.
func (r *Runner) WorkerID() string { return r.worker.ID }

// Calls is how many calls to Sinch are in flight.
func (r *Runner) Calls() int { return r.handler.Calls() }

// Suspect pauses the calls of the worker after a failover of Redis: the new primary
// may not have all writes of the one before.
func (r *Runner) Suspect() { r.worker.Pause(recovery.PauseAfterChange) }

func (r *Runner) start(ctx context.Context) error {
	if err := r.loops.Start(ctx); err != nil {
		return fmt.Errorf("start loops: %w", err)
	}
	for _, server := range r.servers {
		if err := server.Start(r.pool); err != nil {
			r.stop(ctx)
			return fmt.Errorf("start worker: %w", err)
		}
	}
	return nil
}

// stop keeps the heartbeat until the servers have no more tasks: the sweeper
// recovers the calls of a worker without one.
func (r *Runner) stop(ctx context.Context) {
	r.tasks.Release()
	var servers sync.WaitGroup
	for _, server := range r.servers {
		servers.Go(func() {
			server.Stop()
			server.Shutdown()
		})
	}
	servers.Wait()
	r.loops.Stop(ctx)
	if err := r.ledger.Deregister(ctx, r.worker.ID); err != nil {
		r.log.Warn().Err(err).Msg("heartbeat could not be removed and expires by itself")
	}
}
