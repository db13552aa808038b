package dispatch

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/throttle"
	"mmsdispatch/internal/tracing"
)

// multiCall is a multi-recipient send that has begun.
type multiCall struct {
	members  []ledger.Begun
	before   []*message.Message // the members as they waited
	deadline time.Time          // local
}

// sendMany begins a multi-recipient send for the members that are ready, makes the
// request and records the outcome of each.
func (h *Handler) sendMany(ctx context.Context, run *groupRun, bulk sinch.Bulk, media []sinch.Media, permit *throttle.Permit) error {
	ids := make([]message.ID, len(run.ready))
	for i, seen := range run.ready {
		ids[i] = seen.Message.ID
		h.worker.track(ids[i])
	}
	defer func() {
		for _, id := range ids {
			h.worker.untrack(id)
		}
	}()
	spans := h.traceMany(run.ready, bulk.Origin())
	defer spans.end()
	call, err := h.beginMany(ctx, run, media, bulk.Origin(), spans)
	if err != nil || len(call.members) == 0 {
		return err
	}
	replaceErr := run.replace(ctx, h)
	first := call.members[0].Message
	a := *first.Current()
	to := make([]string, len(call.members))
	for i, b := range call.members {
		to[i] = b.Message.Content.To
	}
	outcome, took := h.call(ctx, recipients{bulk, to}, first, a, wireMessage(first, a, payload{media: media}, call.deadline))
	for _, b := range call.members {
		h.worker.calls.concluded(b.Message.ID, b.Message.Attempts, call.forEach(outcome))
	}
	outcome = permit.Report(h.life, outcome)
	h.recordMany(call, outcome, took, spans)
	return replaceErr
}

// recipients is a provider whose Send goes to several recipients.
type recipients struct {
	sinch.Bulk

	to []string
}

// Send implements sinch.Provider.
func (p recipients) Send(ctx context.Context, m sinch.Message) sinch.Outcome {
	return p.SendMany(ctx, m, p.to)
}

// beginMany records the attempts of all messages of a request. The local deadline
// counts as in begin; it is the earliest of all attempts.
func (h *Handler) beginMany(
	ctx context.Context, run *groupRun, media []sinch.Media, origin sinch.Origin, spans memberSpans,
) (multiCall, error) {
	start := time.Now()
	a := message.Attempt{Worker: h.worker.ID, API: string(origin.API), BaseURL: origin.BaseURL, Account: origin.Account}
	if len(run.ready) > 1 {
		a.Call = message.NewCall()
	}
	results, err := h.ledger.BeginMany(ctx, a.Call, run.ready, func(m *message.Message, now time.Time) error {
		if err := h.quietHours(m, now); err != nil {
			return err
		}
		a.Deadline = now.Add(h.timing.Call)
		err := m.Begin(m.Task, a, now)
		if err == nil && hasStill(media) {
			m.NoteStill(now)
		}
		spans[m.ID].call.Of(m)
		return err
	}, h.worker.Lease())
	if err != nil {
		h.log.Warn().Err(err).Int("messages", len(run.ready)).Msg("call not begun")
		for _, seen := range run.ready {
			h.worker.AddUnconfirmed(seen.Message.ID, seen.Message.Attempts+1, start.Add(UnconfirmedFor))
		}
		return multiCall{}, later(pauseOnFault, "ledger unavailable")
	}
	var call multiCall
	for i, r := range results {
		if r.Err != nil {
			continue
		}
		begun := *r.Message.Current()
		spans[r.Message.ID].call.Begun(r.Message, begun)
		h.worker.begun(r.Begun, begun)
		run.remove = append(run.remove, r.Message.ID)
		call.members = append(call.members, r.Begun)
		call.before = append(call.before, run.ready[i].Message)
		if end := start.Add(begun.Deadline.Sub(r.Now)); call.deadline.IsZero() || end.Before(call.deadline) {
			call.deadline = end
		}
	}
	if err := h.notBegunMany(ctx, run, results); len(call.members) == 0 {
		return call, err
	}
	return call, nil
}

// notBegunMany ends or reschedules the members that could not begin. Those that
// still wait stay in the group. The error is the laterError for a request of which
// no member has begun.
func (h *Handler) notBegunMany(ctx context.Context, run *groupRun, results []ledger.Member) error {
	var (
		all   errgroup.Group
		mu    sync.Mutex
		again error
	)
	all.SetLimit(writers)
	var suppressed []ledger.Snapshot
	for i, r := range results {
		switch {
		case r.Err == nil:
		case errors.Is(r.Err, ledger.ErrSuppressed):
			suppressed = append(suppressed, run.ready[i])
		default:
			all.Go(func() error {
				if err := h.notBegun(ctx, run.ready[i].Message, r.Begun, r.Err); err != nil {
					mu.Lock()
					defer mu.Unlock()
					again = err
				}
				return nil
			})
		}
	}
	_ = all.Wait() // its functions return no errors
	h.separate(ctx, run, suppressed)
	return again
}

// memberSpans are the spans of the messages of a request that are traced.
type memberSpans map[message.ID]struct{ dispatch, call *tracing.Span }

// traceMany begins the spans of the members of a request; nil: none is traced.
func (h *Handler) traceMany(ready []ledger.Snapshot, origin sinch.Origin) memberSpans {
	var spans memberSpans
	now := time.Now()
	for _, seen := range ready {
		dispatched := h.tracer.Dispatch(seen.Message.Trace, seen.Message, now)
		if dispatched == nil {
			continue
		}
		if spans == nil {
			spans = make(memberSpans)
		}
		own := spans[seen.Message.ID]
		own.dispatch, own.call = dispatched, dispatched.Call(string(origin.API), origin.BaseURL)
		spans[seen.Message.ID] = own
	}
	return spans
}

// end ends the spans; those of calls that were not begun, too.
func (s memberSpans) end() {
	for _, own := range s {
		own.call.End()
		own.dispatch.End()
	}
}

// divided reports whether a request must be repeated in two parts: Sinch refused it,
// and a single message of it may be the cause.
func (c multiCall) divided(o message.Outcome) bool {
	return o.Kind == message.OutcomeRefused && len(c.members) > 1
}

// forEach is the outcome of each message of a request with outcome o.
func (c multiCall) forEach(o message.Outcome) message.Outcome {
	if c.divided(o) {
		o.Kind = message.OutcomeNotBegun
	}
	return o
}

// recordMany records the outcome for all messages of a request. Messages that wait
// again are added to their groups together, so that one request carries them.
func (h *Handler) recordMany(call multiCall, o message.Outcome, took time.Duration, spans memberSpans) {
	var (
		all   errgroup.Group
		mu    sync.Mutex
		again []*message.Message
	)
	all.SetLimit(writers)
	retry := sameDelays(h.retry)
	for i, b := range call.members {
		all.Go(func() error {
			n := b.Message.Attempts
			after, err := h.record(b.After, n, func(m *message.Message, now time.Time) error {
				half := 2 * i / len(call.members)
				switch {
				case call.divided(o):
					return m.Divide(n, half, o, now)
				case o.Kind == message.OutcomeThrottled && len(call.members) > 1: // the request may exceed Sinch's limit for one request
					return m.ConcludeHalf(n, half, o, retry, now)
				default:
					return m.Conclude(n, o, retry, now)
				}
			})
			spans[b.Message.ID].call.Outcome(call.forEach(o), after)
			h.logCall(call.before[i], *b.Message.Current(), call.forEach(o), took, after)
			if err == nil && after.Status.Waiting() {
				mu.Lock()
				defer mu.Unlock()
				again = append(again, after)
			}
			return nil
		})
	}
	_ = all.Wait() // its functions return no errors
	ctx, cancel := context.WithTimeout(h.life, dispatchFor)
	defer cancel()
	if err := h.queue.DispatchMany(ctx, again); err != nil {
		h.log.Warn().Err(err).Msg("tasks not enqueued; the sweeper will enqueue them")
	}
}

// sameDelays is a policy with the same random delay for all messages with the same
// number of failures.
func sameDelays(retry message.Retry) message.Retry {
	var (
		mu    sync.Mutex
		known = make(map[int]time.Duration)
	)
	delay := func(tries int) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		d, ok := known[tries]
		if !ok {
			d = retry.Delay(tries)
			known[tries] = d
		}
		return d
	}
	return message.Retry{Max: retry.Max, Delay: delay}
}
