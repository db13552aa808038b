// Package status tells how the whole installation is doing: lanes, pace, pauses,
// Sinch, workers and backlogs, over all processes. The console shows it.
package status

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/callback"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/pause"
	"mmsdispatch/internal/redisconn"
	"mmsdispatch/internal/throttle"
	"mmsdispatch/internal/workers"
)

// ErrUnavailable is redisconn.ErrUnavailable of the status.
var ErrUnavailable = fmt.Errorf("status: %w", redisconn.ErrUnavailable)

// Status is the state of the installation, in the shape of /console/status.json.
type Status struct {
	Lanes             []Lane    `json:"lanes"`
	Rate              Rate      `json:"rate"`
	Pauses            []Pause   `json:"pauses"`
	Sinch             Sinch     `json:"sinch"`
	Workers           []Worker  `json:"workers"`
	Unknown           int64     `json:"unknown"`
	AcceptedPerSecond float64   `json:"acceptedPerSecond"`
	SentPerSecond     float64   `json:"sentPerSecond"`
	FailedLastHour    int64     `json:"failedLastHour"`
	Callbacks         Callbacks `json:"callbacks"`
	Log               Log       `json:"log"`
}

// Lane is a lane with its messages.
type Lane struct {
	Name          message.Lane `json:"name"`
	Waiting       int64        `json:"waiting"`
	Scheduled     int64        `json:"scheduled"`
	Sending       int64        `json:"sending"`
	OldestSeconds float64      `json:"oldestSeconds"` // since the oldest waiting message was due; 0: none waits
	Paused        bool         `json:"paused"`        // by a pause of the lane or of everything
}

// Rate is the pace of calls to Sinch; 0 per second: no limit.
type Rate struct {
	PerSecond float64 `json:"perSecond"`
	Source    string  `json:"source"` // SINCH_RATE, or operator for a pace that an operator has set
	Used      float64 `json:"used"`   // calls per second of late
}

// Pause is a pause in force; a nil Until: it ends when it is resumed.
type Pause struct {
	Scope  string     `json:"scope"`
	Reason string     `json:"reason"`
	Actor  string     `json:"actor"`
	Since  time.Time  `json:"since"`
	Until  *time.Time `json:"until"`
	// ProbeAt is when the next call shows whether an automatic pause can end.
	ProbeAt *time.Time `json:"-"`
}

// Sinch is how Sinch answers, over the calls of the last minute.
type Sinch struct {
	State           SinchState `json:"state"`
	Reason          *string    `json:"reason"`
	P50Ms           int64      `json:"p50Ms"`
	P99Ms           int64      `json:"p99Ms"`
	ErrorsPerMinute int64      `json:"errorsPerMinute"`
}

// SinchState says whether calls to Sinch succeed.
type SinchState string

// The states of Sinch.
const (
	SinchOK          SinchState = "ok"
	SinchSlow        SinchState = "slow"        // a call in a hundred takes longer than slowCalls
	SinchThrottled   SinchState = "throttled"   // Sinch answers that calls are too fast
	SinchPaused      SinchState = "paused"      // Sinch refuses the account
	SinchUnreachable SinchState = "unreachable" // calls get no answer
)

// Worker is a worker process.
type Worker struct {
	ID          string    `json:"id"`
	Host        string    `json:"host"`
	Version     string    `json:"version"`
	StartedAt   time.Time `json:"startedAt"`
	Sending     int       `json:"sending"`
	Concurrency int       `json:"concurrency"`
}

// Callbacks are the status callbacks that wait.
type Callbacks struct {
	Waiting       int64   `json:"waiting"`
	OldestSeconds float64 `json:"oldestSeconds"` // for how long the first of them has been due
	Disabled      int     `json:"disabled"`      // configurations that are not enabled
}

// Log is the backlog of the long-term log; zero without a database.
type Log struct {
	Backlog    int64   `json:"backlog"`
	LagSeconds float64 `json:"lagSeconds"`
}

// Reader reads the Status. It is safe for concurrent use.
type Reader struct {
	Redis     redis.UniversalClient
	Ledger    *ledger.Ledger
	Callbacks *callback.Store
	Scopes    Scopes
	Rate      float64          // SINCH_RATE of this process, shown while no worker runs
	Now       func() time.Time // Redis' time
}

// Read reads the status.
func (r *Reader) Read(ctx context.Context) (*Status, error) {
	s, now := &Status{}, r.Now()
	running, err := workers.List(ctx, r.Redis, now)
	if err != nil {
		return nil, fmt.Errorf("status: %w", err)
	}
	for _, read := range []func(context.Context, *Status) error{r.readPauses, r.readLanes, r.readCallbacks, r.readLog} {
		if err := read(ctx, s); err != nil {
			return nil, fmt.Errorf("status: %w", err)
		}
	}
	calls := workers.Calls{}
	s.Workers, s.Rate.PerSecond = make([]Worker, 0, len(running)), r.Rate
	for _, w := range running {
		calls.Add(w.Calls)
		s.Rate.PerSecond = w.Rate
		s.Workers = append(s.Workers, Worker{
			ID: w.ID, Host: w.Host, Version: w.Version, StartedAt: w.StartedAt, Sending: w.Sending, Concurrency: w.Concurrency,
		})
	}
	if err := r.readRate(ctx, s); err != nil {
		return nil, err
	}
	s.Rate.Used = tenths(calls.PerSecond)
	if err := r.readSinch(ctx, s, &calls); err != nil {
		return nil, err
	}
	events, err := readTrend(ctx, r.Redis, now)
	if err != nil {
		return nil, err
	}
	s.AcceptedPerSecond, s.SentPerSecond = tenths(events.acceptedPerSecond), tenths(events.sentPerSecond)
	s.FailedLastHour = events.failedLastHour
	return s, nil
}

// tenths rounds a number that is measured.
func tenths(x float64) float64 {
	const perUnit = 10
	return math.Round(x*perUnit) / perUnit
}

func (r *Reader) readLanes(ctx context.Context, s *Status) error {
	states, err := r.Ledger.Lanes(ctx)
	if err != nil {
		return err
	}
	paused := make(map[string]bool)
	for _, p := range s.Pauses {
		paused[p.Scope] = true
	}
	for _, name := range message.Lanes() {
		state := states[name]
		scope, err := pause.Lane(string(name))
		if err != nil {
			return err
		}
		s.Lanes = append(s.Lanes, Lane{
			Name: name, Waiting: max(0, state.Messages[message.StatusQueued]), Scheduled: max(0, state.Messages[message.StatusScheduled]),
			Sending: max(0, state.Messages[message.StatusSending]), OldestSeconds: tenths(state.Oldest.Seconds()),
			Paused: paused[string(pause.All)] || paused[string(scope)],
		})
		s.Unknown += max(0, state.Messages[message.StatusUnknown])
	}
	return nil
}

func (r *Reader) readPauses(ctx context.Context, s *Status) error {
	pauses, err := operator.Pauses(ctx, r.Redis)
	if err != nil {
		return err
	}
	s.Pauses = make([]Pause, 0, len(pauses))
	for _, p := range pauses {
		s.Pauses = append(s.Pauses, Pause{
			Scope: p.Scope, Reason: p.Reason, Actor: p.Actor, Since: p.Since, Until: p.Until, ProbeAt: p.ProbeAt,
		})
	}
	return nil
}

func (r *Reader) readRate(ctx context.Context, s *Status) error {
	s.Rate.Source = "SINCH_RATE"
	set, err := throttle.CurrentRate(ctx, r.Redis, "")
	if err != nil {
		return fmt.Errorf("status: %w: %w", ErrUnavailable, err)
	}
	if set != nil {
		s.Rate.PerSecond, s.Rate.Source = set.PerSecond, "operator"
	}
	return nil
}

// slowCalls is the duration above which the slowest calls show that Sinch is slow.
const slowCalls = 3 * time.Second

func (r *Reader) readSinch(ctx context.Context, s *Status, calls *workers.Calls) error {
	p50, p99 := calls.Quantile(workers.Median), calls.Quantile(workers.Slowest1)
	s.Sinch = Sinch{State: SinchOK, P50Ms: p50.Milliseconds(), P99Ms: p99.Milliseconds(), ErrorsPerMinute: calls.Errors}
	if p99 > slowCalls {
		reason := "The slowest of the calls of the last minute took " + p99.Round(time.Second).String() + "."
		s.Sinch.State, s.Sinch.Reason = SinchSlow, &reason
	}
	pauses, err := throttle.AutomaticPauses(ctx, r.Redis, "")
	if err != nil {
		return fmt.Errorf("status: %w", err)
	}
	states := map[throttle.Cause]SinchState{
		throttle.CausePace: SinchThrottled, throttle.CauseAccount: SinchPaused, throttle.CauseUnreachable: SinchUnreachable,
	}
	for _, p := range pauses { // an account that is refused, then a pace, then no answer: the last one weighs most
		s.Sinch.State, s.Sinch.Reason = states[p.Cause], &p.Reason
	}
	return nil
}

func (r *Reader) readLog(ctx context.Context, s *Status) error {
	waiting, lag, err := r.Ledger.Backlog(ctx, ledger.ConsumerLog)
	s.Log.Backlog, s.Log.LagSeconds = waiting, tenths(lag.Seconds())
	return err
}

func (r *Reader) readCallbacks(ctx context.Context, s *Status) error {
	pending, oldest, err := r.Callbacks.Backlog(ctx)
	if err != nil {
		return err
	}
	s.Callbacks.Waiting, s.Callbacks.OldestSeconds = max(0, pending), tenths(oldest.Seconds())
	scopes, err := r.Scopes.All(ctx)
	if err != nil {
		return err
	}
	configured, err := r.Callbacks.Configurations(ctx, scopes)
	if err != nil {
		return err
	}
	for _, c := range configured {
		if !c.Enabled {
			s.Callbacks.Disabled++
		}
	}
	return nil
}
