package dispatch

import (
	"context"
	"errors"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// Media checks what a message carries before it is called.
type Media interface {
	// Check returns the content type of each medium; none where nothing is
	// checked. The error is a *MediumError when a medium is bad; any other says
	// that nothing was found out before ctx ended.
	Check(ctx context.Context, m *message.Message) (types []string, err error)
}

// MediumError says that a medium cannot be sent.
type MediumError struct {
	Detail    string        // for people; no part of the URL
	Temporary bool          // it may go away by itself
	RetryIn   time.Duration // not before, when it is Temporary
}

// Error implements error.
func (e *MediumError) Error() string { return e.Detail }

// unchecked lets every medium pass.
type unchecked struct{}

func (unchecked) Check(context.Context, *message.Message) ([]string, error) { return nil, nil }

// mediaDeferrals is how often in a row a message waits for a media host: about
// half a minute with the default pauses.
const mediaDeferrals = 4

// checkMedia leaves enough of the task's time for the call, and ends when the
// worker stops.
func (h *Handler) checkMedia(ctx context.Context, m *message.Message) ([]string, error) {
	end, ok := ctx.Deadline()
	if !ok {
		end = time.Now().Add(h.timing.Task)
	}
	ctx, cancel := context.WithDeadline(ctx, end.Add(-h.timing.Call))
	defer cancel()
	defer context.AfterFunc(h.open, cancel)()
	return h.media.Check(ctx, m)
}

// badMedia decides what follows a medium that cannot be sent.
func (h *Handler) badMedia(ctx context.Context, seen ledger.Snapshot, task int, why error) error {
	bad, ok := errors.AsType[*MediumError](why)
	if !ok {
		return later(pauseOnFault, "media not checked yet")
	}
	id := seen.Message.ID
	h.log.Info().Str("message_id", string(id)).Str("media", bad.Detail).Bool("temporary", bad.Temporary).Msg("bad media")
	after, err := h.ledger.UpdateFrom(ctx, seen, bad.change(task, h.mediaRetry(bad.RetryIn)))
	switch {
	case errors.Is(err, ledger.ErrUnavailable):
		return later(pauseOnFault, "ledger unavailable")
	case err != nil:
		return h.notReady(ctx, after, seen.Now(), err)
	case after.Status.Waiting():
		return later(after.NextAt.Sub(after.UpdatedAt), "media host is not ready")
	default:
		return nil
	}
}

// change ends a message that waits for task number task, or puts it off.
func (e *MediumError) change(task int, retry message.Retry) ledger.Change {
	return func(m *message.Message, now time.Time) error {
		if err := m.Ready(task, now); err != nil {
			return err
		}
		reason := message.Reason{Code: message.ReasonMedia, Message: e.Detail}
		if !e.Temporary {
			return m.Refuse(reason, now)
		}
		return m.Defer(reason, retry, now)
	}
}

// mediaRetry is the policy for media hosts.
func (h *Handler) mediaRetry(atLeast time.Duration) message.Retry {
	return message.Retry{
		Max:   min(h.retry.Max, mediaDeferrals),
		Delay: func(n int) time.Duration { return max(atLeast, h.retry.Delay(n)) },
	}
}
