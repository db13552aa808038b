// Package recovery recovers messages after a crash, a failure of Redis or an
// unanswered request to Sinch: the sweeper re-enqueues messages without a task and
// reconciles calls of unknown outcome, and the heartbeat detects crashed workers
// and a rollback of Redis.
package recovery

import (
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/jobs/dispatch"
	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/pause"
)

// The kinds of recoveries in metrics and log lines.
const (
	TaskMissing  = "task_missing"   // a waiting message without a task
	TaskStuck    = "task_stuck"     // a task that was archived, or dequeued by a worker that crashed
	WorkerLost   = "worker_lost"    // a call whose worker crashed
	CallNotBegun = "call_not_begun" // a call that was recorded but never made
	CallFound    = "call_found"     // a lookup found the call
	CallAbsent   = "call_absent"    // a lookup did not find the call
	Resent       = "resent"         // sent again by policy
	Rollback     = "rollback"       // a call that a rollback of Redis had removed
)

// Metrics counts recoveries.
type Metrics interface {
	// Recovered counts a recovery of a kind.
	Recovered(kind string)
	// Swept counts a round of the sweeper.
	Swept(err error)
}

// UnknownPolicy is the policy for a call that cannot be looked up.
type UnknownPolicy string

// The policies.
const (
	Hold   UnknownPolicy = "hold"   // wait for a receipt or an operator
	Resend UnknownPolicy = "resend" // send again after a while
)

// Policy defines the reconciliation of calls of unknown outcome.
type Policy struct {
	Unknown        UnknownPolicy
	ReconcileAfter time.Duration // after the deadline, for Resend
	LookupWindow   time.Duration // over which lookups must not find a call; zero: absence proves nothing
}

// Options are the parts and settings of the Sweeper and the Heartbeat.
type Options struct {
	Redis     redis.UniversalClient // for the lock of the sweeper
	Ledger    *ledger.Ledger
	Queue     *queue.Queue
	Pauses    *pause.Store
	Worker    *dispatch.Worker
	Providers dispatch.Providers
	Policy    Policy
	Retry     message.Retry
	CallTime  time.Duration // of one call to Sinch
	Metrics   Metrics
	Log       zerolog.Logger
}

func (o Options) reconciler() *reconciler {
	return &reconciler{
		ledger: o.Ledger, queue: o.Queue, providers: o.Providers, policy: o.Policy, retry: o.Retry, metrics: o.Metrics, log: o.Log,
		absences: newAbsences(o.CallTime, time.Now),
	}
}
