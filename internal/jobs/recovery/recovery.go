// Package recovery brings back what a crash, a lost Redis or a Sinch that does
// not answer leaves behind: the sweeper re-enqueues messages without a task and
// reconciles calls of unknown outcome, and the heartbeat notices dead workers
// and a Redis that went back to older data.
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

// The kinds of recoveries, as metrics and log lines name them.
const (
	TaskMissing  = "task_missing"   // a waiting message without a task
	TaskStuck    = "task_stuck"     // a task that was archived, or taken by a worker that died
	WorkerLost   = "worker_lost"    // a call whose worker is gone
	CallNotBegun = "call_not_begun" // a call that was recorded but never made
	CallFound    = "call_found"     // a lookup found the call
	CallAbsent   = "call_absent"    // a lookup did not find the call
	Resent       = "resent"         // sent again by policy
	Rollback     = "rollback"       // a call that Redis had lost
)

// Metrics counts recoveries.
type Metrics interface {
	// Recovered counts a recovery of a kind.
	Recovered(kind string)
	// Swept counts a round of the sweeper.
	Swept(err error)
}

// UnknownPolicy decides about a call that cannot be looked up.
type UnknownPolicy string

// The policies.
const (
	Hold   UnknownPolicy = "hold"   // leave it to a receipt or an operator
	Resend UnknownPolicy = "resend" // send again after a while
)

// Policy is how calls of unknown outcome are reconciled.
type Policy struct {
	Unknown        UnknownPolicy
	ReconcileAfter time.Duration // after the deadline, for Resend
	LookupWindow   time.Duration // over which lookups must find nothing; zero: absence is never believed
}

// Options are what the Sweeper and the Heartbeat are made of.
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
