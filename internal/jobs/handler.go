package jobs

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/hibiken/asynq"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/saved"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/throttle"
)

// Limiter decides when a call may begin.
type Limiter interface {
	// Acquire waits a short while for the permit to make one call. The error is
	// a *throttle.DeniedError, or wraps ctx's.
	Acquire(ctx context.Context, m *message.Message) (*throttle.Permit, error)
}

// Providers chooses the way to Sinch for a message.
type Providers interface {
	For(m *message.Message) sinch.Provider
}

// OptOuts knows who must not be written to.
type OptOuts interface {
	// Suppressed reports whether the sender must not write to the number.
	Suppressed(ctx context.Context, scope message.Scope, number, sender string) (bool, error)
	// Block adds a number that Sinch refuses to send to; code is what it said.
	Block(ctx context.Context, scope message.Scope, number, sender, code string) error
}

// Metrics counts what the jobs do.
type Metrics interface {
	Attempt(api, outcome string, took time.Duration)
	Healed(kind string)
	// Swept counts a round of the sweeper.
	Swept(err error)
}

// Timing are the handler's time limits.
type Timing struct {
	Call time.Duration // of one call to Sinch
	Task time.Duration // of one run of a task
}

// Handler takes a message from the queue through one call to Sinch.
type Handler struct {
	ledger    *ledger.Ledger
	queue     *Queue
	worker    *Worker
	media     Media
	limiter   Limiter
	providers Providers
	optOuts   OptOuts
	saved     *saved.Store // nil: every message brings its media along
	metrics   Metrics
	retry     message.Retry
	timing    Timing
	log       zerolog.Logger
	// life ends when the process must give up even what is in flight.
	life context.Context //nolint:containedctx // outlives every task's own context
	// open ends when no new call may begin.
	open context.Context //nolint:containedctx // the same
}

// laterError asks asynq to run the task again after a pause. Its text is shown
// in the queue UI.
type laterError struct {
	in  time.Duration
	why string
}

// Error implements error.
func (e *laterError) Error() string { return "waits: " + e.why }

func later(in time.Duration, why string) error { return &laterError{in: max(in, 0), why: why} }

// retryDelay reads the pause out of the error, rounded up, since asynq keeps
// whole seconds and would come too early.
func retryDelay(_ int, err error, _ *asynq.Task) time.Duration {
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

// pauseOnFault is the pause after a fault that is not the message's: Redis is
// down, or our own code failed.
const pauseOnFault = 2 * time.Second

// ProcessTask implements asynq.Handler.
func (h *Handler) ProcessTask(ctx context.Context, _ *asynq.Task) (err error) {
	name, _ := asynq.GetTaskID(ctx)
	defer func() {
		if cause := recover(); cause != nil {
			h.log.Error().Str("task", name).Str("panic", fmt.Sprintf("%T", cause)).Bytes("stack", debug.Stack()).Msg("task panicked")
			err = later(pauseOnFault, "internal fault")
		}
	}()
	if group, generation, ok := parseGroupTask(name); ok {
		lane, _ := asynq.GetQueueName(ctx)
		return h.sendGroup(ctx, group, lane, generation)
	}
	id, task, err := parseTaskName(name)
	if err != nil {
		h.log.Warn().Str("task", name).Msg("task of unknown name dropped")
		return nil
	}
	seen, err := h.ledger.Read(ctx, id)
	if err != nil {
		return h.unread(id, err)
	}
	return h.send(ctx, seen, task)
}

// send takes one message through a call.
func (h *Handler) send(ctx context.Context, seen ledger.Snapshot, task int) error {
	m := seen.Message
	now := seen.Now()
	if err := m.Ready(task, now); err != nil {
		return h.notReady(ctx, m, now, err)
	}
	types, err := h.checkMedia(ctx, m)
	if err != nil {
		return h.badMedia(ctx, seen, task, err)
	}
	load, err := h.load(ctx, m, types)
	if err != nil {
		return err
	}
	permit, err := h.admit(ctx, m)
	if err != nil {
		return err
	}
	return h.attempt(ctx, seen, task, load, permit)
}

// admit acquires a permit and checks that the call may begin.
func (h *Handler) admit(ctx context.Context, m *message.Message) (*throttle.Permit, error) {
	permit, err := h.acquire(ctx, m)
	if err != nil {
		return nil, err
	}
	if err := h.hindered(ctx); err != nil {
		permit.Release(ctx)
		return nil, err
	}
	return permit, nil
}

// hindered says what keeps a call from beginning that has a permit.
func (h *Handler) hindered(ctx context.Context) error {
	if h.open.Err() != nil {
		return later(time.Second, "worker stops")
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < h.timing.Call {
		return later(0, "too little time left for a call")
	}
	if wait := h.worker.held(); wait > 0 {
		return later(wait, "Redis changed hands")
	}
	return nil
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
		return later(denied.RetryIn, denied.Error())
	}
	if h.open.Err() != nil {
		return later(time.Second, "worker stops")
	}
	return later(time.Second, "the task's time is over")
}

// attempt begins a call, makes it and records its outcome.
func (h *Handler) attempt(ctx context.Context, seen ledger.Snapshot, task int, load cargo, permit *throttle.Permit) error {
	m := seen.Message
	h.worker.enter(m.ID)
	defer h.worker.leave(m.ID)
	provider := h.providers.For(m)
	begun, a, deadline, err := h.begin(ctx, seen, task, provider.Origin())
	if err != nil {
		permit.Release(ctx)
		return h.notBegun(ctx, m, begun, err)
	}
	outcome := h.call(ctx, provider, begun.Message, a, wireMessage(begun.Message, a, load, deadline))
	h.worker.memory.concluded(m.ID, a.N, outcome)
	h.block(begun.Message, a, outcome)
	h.learn(load, outcome)
	outcome = permit.Report(h.life, outcome)
	after, err := h.record(begun.After, a.N, func(m *message.Message, now time.Time) error {
		return m.Conclude(a.N, outcome, h.retry, now)
	})
	if err != nil {
		return later(pauseOnFault, "outcome not recorded yet")
	}
	if !after.Status.Waiting() || after.Task != task {
		return nil
	}
	if ctx.Err() != nil { // asynq has given the task up
		if err := h.queue.Dispatch(context.WithoutCancel(ctx), after); err != nil {
			h.log.Warn().Err(err).Str("message_id", string(m.ID)).Msg("task not made anew; the sweeper will")
		}
	}
	return later(after.NextAt.Sub(after.UpdatedAt), "next try")
}

// doubtFor is how long a begin whose reply was lost may still reach Redis: it
// can wait in a socket of a frozen server.
const doubtFor = time.Minute

// begin writes the attempt down. The local deadline is taken from before it is
// written, so that it never lies behind the recorded one.
func (h *Handler) begin(ctx context.Context, seen ledger.Snapshot, task int, origin sinch.Origin) (
	ledger.Begun, message.Attempt, time.Time, error,
) {
	start := time.Now()
	a := message.Attempt{
		Worker: h.worker.ID, API: string(origin.API), BaseURL: origin.BaseURL, Account: origin.Account,
	}
	n := 0
	begin := func(m *message.Message, now time.Time) error {
		a.Deadline = now.Add(h.timing.Call)
		err := m.Begin(task, a, now)
		n = m.Attempts
		return err
	}
	begun, err := h.ledger.Begin(ctx, seen, begin, h.worker.Lease())
	if errors.Is(err, ledger.ErrHeld) {
		if err := h.clear(ctx, seen.Message); err != nil {
			return begun, a, time.Time{}, err
		}
		start = time.Now()
		begun, err = h.ledger.Begin(ctx, seen.Cleared(), begin, h.worker.Lease())
	}
	if errors.Is(err, ledger.ErrUnavailable) {
		h.worker.doubt(seen.Message.ID, n, start.Add(doubtFor))
	}
	if err != nil {
		return begun, a, time.Time{}, fmt.Errorf("begin: %w", err)
	}
	a = *begun.Message.Current()
	h.worker.begun(begun, a)
	return begun, a, start.Add(a.Deadline.Sub(begun.Now)), nil
}

// notBegun decides what follows a call that may not be made.
func (h *Handler) notBegun(ctx context.Context, read *message.Message, begun ledger.Begun, err error) error {
	switch {
	case errors.Is(err, ledger.ErrRollback):
		h.worker.miss()
		return later(pauseOnFault, "Redis was rolled back")
	case errors.Is(err, ledger.ErrUnavailable):
		h.log.Warn().Err(err).Msg("call not begun")
		return later(pauseOnFault, "ledger unavailable")
	case errors.Is(err, ledger.ErrCanceled):
		return h.end(ctx, read, (*message.Message).Cancel)
	case errors.Is(err, errSuppressed):
		return h.end(ctx, read, (*message.Message).Suppress)
	case errors.Is(err, errNotCleared):
		return later(pauseOnFault, "opt-outs unavailable")
	case errors.Is(err, ledger.ErrNotFound) || begun.Message == nil:
		return nil
	default:
		return h.notReady(ctx, begun.Message, begun.Now, err)
	}
}

// end ends a message that no attempt may begin for: it has expired, its batch was
// canceled or its recipient has opted out. A message that was replayed since it
// was read stays as it is: its new task decides again.
func (h *Handler) end(ctx context.Context, read *message.Message, how ledger.Change) error {
	_, err := h.ledger.Update(ctx, read.ID, func(m *message.Message, now time.Time) error {
		if err := m.Holds(read.Task); err != nil {
			return err
		}
		return how(m, now)
	})
	if errors.Is(err, ledger.ErrUnavailable) {
		return later(pauseOnFault, "ledger unavailable")
	}
	return nil
}

// call makes the one call of an attempt. Neither the end of the task's time
// nor a stopping worker cuts it short.
func (h *Handler) call(
	ctx context.Context, p sinch.Provider, m *message.Message, a message.Attempt, on sinch.Message,
) (outcome message.Outcome) {
	start := time.Now()
	defer func() {
		if cause := recover(); cause != nil {
			h.log.Error().Str("message_id", string(m.ID)).Bytes("stack", debug.Stack()).Msg("provider panicked")
			outcome = message.Outcome{Kind: message.OutcomeUnknown, Code: message.ReasonInternal, Detail: "fault in the call"}
		}
		took := time.Since(start)
		h.metrics.Attempt(a.API, string(outcome.Kind), took)
		h.log.Info().Str("message_id", string(m.ID)).Int("attempt", a.N).Str("api", a.API).Str("outcome", string(outcome.Kind)).
			Str("code", string(outcome.Code)).Str("sinchCode", outcome.SinchCode).Dur("took", took).Msg("call")
	}()
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), on.Deadline)
	defer cancel()
	return p.Send(ctx, on)
}

// wireMessage is what the provider needs to know.
func wireMessage(m *message.Message, a message.Attempt, load cargo, deadline time.Time) sinch.Message {
	return sinch.Message{
		Ref: a.Ref(m.ID), To: m.Content.To, From: m.From, Subject: m.Content.Subject, Text: m.Content.Text,
		Media: load.media, SavedID: load.savedID, FallbackText: m.Content.FallbackText, ExpiresAt: m.ExpiresAt, Deadline: deadline,
	}
}

// Pauses between attempts to record an outcome.
const (
	recordPause    = 50 * time.Millisecond
	recordPauseMax = time.Second
)

// record writes the outcome down, again and again until Redis takes it or the
// process has to end.
func (h *Handler) record(begun ledger.Snapshot, n int, conclude ledger.Change) (*message.Message, error) {
	pause := recordPause
	for {
		after, err := h.ledger.UpdateFrom(h.life, begun, conclude)
		if err == nil {
			return after, nil
		}
		if !errors.Is(err, ledger.ErrUnavailable) {
			h.log.Error().Err(err).Str("message_id", string(begun.Message.ID)).Int("attempt", n).Msg("outcome cannot be recorded")
			return nil, fmt.Errorf("record outcome: %w", err)
		}
		select {
		case <-h.life.Done():
			return nil, fmt.Errorf("record outcome: %w", err)
		case <-time.After(pause):
			pause = min(2*pause, recordPauseMax)
		}
	}
}
