// Package dispatch processes the tasks of the queue: it sends their messages to
// Sinch and records the outcomes.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/hibiken/asynq"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/pause"
	"mmsdispatch/internal/saved"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/throttle"
	"mmsdispatch/internal/tracing"
)

// Limiter decides when a call may begin.
type Limiter interface {
	// Acquire waits a short time for the permit to make one call. The error is
	// a *throttle.DeniedError, or wraps ctx's.
	Acquire(ctx context.Context, m *message.Message) (*throttle.Permit, error)
}

// Providers selects the Sinch API for a message.
type Providers interface {
	For(m *message.Message) sinch.Provider
}

// OptOuts is the list of numbers that must not be written to.
type OptOuts interface {
	// Suppressed reports whether the sender must not write to the number.
	Suppressed(ctx context.Context, scope message.Scope, number, sender string) (bool, error)
	// Block adds a number that Sinch refuses to send to; code is Sinch's error code.
	Block(ctx context.Context, scope message.Scope, number, sender, code string) error
}

// Metrics counts the attempts.
type Metrics interface {
	Attempt(api, outcome string, took time.Duration)
	// Concluded counts the attempt of a message, which had waited since it was due.
	Concluded(api string, lane message.Lane, o message.Outcome, waited time.Duration)
}

// Timing are the handler's time limits.
type Timing struct {
	Call time.Duration // of one call to Sinch
	Task time.Duration // of one run of a task
}

// Options are the parts and settings of a Handler.
type Options struct {
	Ledger    *ledger.Ledger
	Queue     *queue.Queue
	Worker    *Worker
	Media     Media // nil: media are not checked
	Limiter   Limiter
	Providers Providers
	OptOuts   OptOuts
	Pauses    *pause.View
	Saved     *saved.Store // nil: no media are saved at Sinch
	Quiet     Quiet        // nil: there are no quiet hours
	Metrics   Metrics
	Tracer    *tracing.Tracer // nil: no message is traced
	Retry     message.Retry
	Timing    Timing
	Slots     Slots
	Log       zerolog.Logger
	// Life ends when the process must abandon even the calls in flight, Open when no
	// further call may begin. They are fields since asynq.Handler gives ProcessTask no
	// other context than the task's, which both must outlive.
	Life context.Context //nolint:containedctx // see above
	Open context.Context //nolint:containedctx // see above
}

// Handler implements asynq.Handler: it makes one call to Sinch for the message or
// the group of a task.
type Handler struct {
	ledger    *ledger.Ledger
	queue     *queue.Queue
	worker    *Worker
	media     Media
	limiter   Limiter
	providers Providers
	optOuts   OptOuts
	pauses    *pause.View
	saved     *saved.Store
	quiet     Quiet
	metrics   Metrics
	tracer    *tracing.Tracer
	retry     message.Retry
	timing    Timing
	log       zerolog.Logger
	places    *places // of tasks that wait for media
	tokens    *tokens // of batches with a pace

	highSlots, sharedSlots, testSlots *slots

	life context.Context //nolint:containedctx // Options.Life
	open context.Context //nolint:containedctx // Options.Open
}

// New creates a Handler.
func New(o Options) *Handler {
	if o.Media == nil {
		o.Media = unchecked{}
	}
	if o.Quiet == nil {
		o.Quiet = never{}
	}
	return &Handler{
		ledger: o.Ledger, queue: o.Queue, worker: o.Worker, media: o.Media, limiter: o.Limiter, providers: o.Providers,
		optOuts: o.OptOuts, pauses: o.Pauses, saved: o.Saved, quiet: o.Quiet, metrics: o.Metrics, tracer: o.Tracer,
		retry: o.Retry, timing: o.Timing, log: o.Log,
		life: o.Life, open: o.Open,
		places: newPlaces(MediaPlaces(o.Slots.Shared)), tokens: newTokens(),
		highSlots: newSlots(o.Slots.High), sharedSlots: newSlots(o.Slots.Shared), testSlots: newSlots(o.Slots.Test),
	}
}

// laterError makes asynq run the task again after a pause. Its text is shown
// in the queue UI.
type laterError struct {
	in  time.Duration
	why string
}

// Error implements error.
func (e *laterError) Error() string { return "waits: " + e.why }

func later(in time.Duration, why string) error { return &laterError{in: max(in, 0), why: why} }

// RetryDelay returns the pause of a laterError, rounded up: asynq keeps whole
// seconds and would run the task too early.
func RetryDelay(_ int, err error, _ *asynq.Task) time.Duration {
	var e *laterError
	if !errors.As(err, &e) {
		return pauseOnFault
	}
	if e.in == 0 {
		return 0
	}
	at := time.Now().Add(e.in)
	return time.Until(at.Add(time.Second - time.Nanosecond).Truncate(time.Second))
}

// pauseOnFault is the pause after a fault that is independent of the message: Redis
// is down, or our own code failed.
const pauseOnFault = 2 * time.Second

// ProcessTask implements asynq.Handler.
func (h *Handler) ProcessTask(ctx context.Context, t *asynq.Task) (err error) {
	name, _ := asynq.GetTaskID(ctx)
	defer func() {
		if cause := recover(); cause != nil {
			h.log.Error().Str("task", name).Str("panic", fmt.Sprintf("%T", cause)).Bytes("stack", debug.Stack()).Msg("task panicked")
			err = later(pauseOnFault, "internal fault")
		}
		if errors.Is(err, errParked) {
			err = nil
		}
	}()
	if group, generation, ok := queue.ParseGroupTask(name); ok {
		lane, _ := asynq.GetQueueName(ctx)
		return h.sendGroup(ctx, group, lane, generation)
	}
	id, task, err := queue.ParseTask(name)
	if err != nil {
		h.log.Warn().Str("task", name).Msg("task of unknown name dropped")
		return nil
	}
	begun := time.Now()
	seen, err := h.ledger.Read(ctx, id)
	if err != nil {
		return h.unread(id, err)
	}
	span := h.tracer.Dispatch(queue.TraceOf(t), seen.Message, begun)
	if span != nil {
		ctx = tracing.With(ctx, span)
		defer func() { span.Waits(err) }()
	}
	return h.send(ctx, seen, task)
}

// send makes the call of one message.
func (h *Handler) send(ctx context.Context, seen ledger.Snapshot, task int) error {
	m := seen.Message
	now := seen.Now()
	if err := m.Ready(task, now); err != nil {
		return h.notReady(ctx, m, now, err)
	}
	if e, ok := errors.AsType[*holdError](h.quietHours(m, now)); ok {
		return h.hold(ctx, seen, task, e)
	}
	if err := h.paused(ctx, m, queue.MessageTask(m)); err != nil {
		return err
	}
	if err := h.paced(ctx, m, queue.MessageTask(m)); err != nil {
		return err
	}
	media, err := h.checkMedia(ctx, m)
	if err != nil {
		return h.badMedia(ctx, seen, task, err)
	}
	content, err := h.payload(ctx, m, media)
	if err != nil {
		return err
	}
	slot, err := h.slotsOf(m).acquire(ctx, m.Scope.Tenant)
	if err != nil {
		return err
	}
	defer slot.release()
	permit, err := h.admit(ctx, m, queue.MessageTask(m))
	if e, ok := errors.AsType[*holdError](err); ok {
		return h.hold(ctx, seen, task, e)
	}
	if err != nil {
		return err
	}
	return h.attempt(ctx, seen, task, content, permit)
}

// admit acquires a permit and checks that the call of a task may begin.
func (h *Handler) admit(ctx context.Context, m *message.Message, task queue.Task) (*throttle.Permit, error) {
	permit, err := h.acquire(ctx, m)
	if e, ok := errors.AsType[*pacedError](err); ok {
		h.tokens.learn(m.BatchID, e.wait)
		return nil, h.parkPaced(ctx, m, task)
	}
	if err != nil {
		return nil, err
	}
	if err := h.blocked(ctx, m, task); err != nil {
		permit.Release(ctx)
		return nil, err
	}
	return permit, nil
}

// blocked returns a laterError when the call of a permit cannot begin now, or
// errParked.
func (h *Handler) blocked(ctx context.Context, m *message.Message, task queue.Task) error {
	if h.open.Err() != nil {
		return later(time.Second, "worker stops")
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < h.timing.Call {
		return later(0, "too little time left for a call")
	}
	if wait := h.worker.paused(); wait > 0 {
		return later(wait, "Redis has failed over")
	}
	return h.paused(ctx, m, task)
}

// errParked ends a task that is parked: the sweeper enqueues it when its pause is
// over.
var errParked = errors.New("task is parked")

// paused parks the task of a message that is paused.
func (h *Handler) paused(ctx context.Context, m *message.Message, task queue.Task) error {
	for {
		key, paused, err := h.pauses.Match(ctx, m)
		if err != nil {
			return later(pauseOnFault, "pauses unavailable")
		}
		if !paused {
			return nil
		}
		parked, err := h.queue.Park(ctx, key, task, m.CreatedAt)
		switch {
		case err != nil:
			return later(pauseOnFault, "queue unavailable")
		case parked:
			return errParked
		}
		h.pauses.Forget() // the pause is over
	}
}

// unread decides what follows a record that could not be read.
func (h *Handler) unread(id message.ID, err error) error {
	if errors.Is(err, ledger.ErrNotFound) {
		h.log.Warn().Str("message_id", string(id)).Msg("task without a message dropped")
		return nil
	}
	return later(pauseOnFault, "ledger unavailable")
}

// notReady ends or parks a message that was not ready at now, which is Redis'
// time.
func (h *Handler) notReady(ctx context.Context, m *message.Message, now time.Time, why error) error {
	if e, ok := errors.AsType[*holdError](why); ok {
		return h.holdUnread(ctx, m, e)
	}
	switch {
	case errors.Is(why, message.ErrExpired):
		return h.end(ctx, m, (*message.Message).Expire)
	case errors.Is(why, message.ErrTooEarly):
		return later(m.NextAt.Sub(now), "not due yet")
	default:
		return nil
	}
}

// acquire waits for a permit, but not past the moment the worker stops.
func (h *Handler) acquire(ctx context.Context, m *message.Message) (*throttle.Permit, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.open, cancel)()
	permit, err := h.limiter.Acquire(ctx, m)
	if err != nil {
		return nil, h.denied(err)
	}
	if h.open.Err() != nil {
		permit.Release(ctx)
		return nil, later(time.Second, "worker stops")
	}
	return permit, nil
}

// denied decides when a task whose call got no permit comes again.
func (h *Handler) denied(err error) error {
	if denied, ok := errors.AsType[*throttle.DeniedError](err); ok {
		switch denied.Cause {
		case throttle.CauseDaily:
			return dayOver(denied.Error(), denied.Until)
		case throttle.CauseBatch:
			return &pacedError{wait: denied.RetryIn, why: denied.Error()}
		default:
			return later(denied.RetryIn, denied.Error())
		}
	}
	if h.open.Err() != nil {
		return later(time.Second, "worker stops")
	}
	return later(time.Second, "the task's time is over")
}
