package dispatch

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
)

// Media checks what a message carries before it is called.
type Media interface {
	// Check returns the media as Sinch gets them, with their content types where
	// they were checked. The error is a *MediaError when a media is bad; any other
	// says that nothing was found out before ctx ended.
	Check(ctx context.Context, m *message.Message) ([]sinch.Media, error)
}

// MediaError means that a media cannot be sent.
type MediaError struct {
	Detail    string        // for people; no part of the URL
	Temporary bool          // it may go away by itself
	RetryIn   time.Duration // not before, when it is Temporary
}

// Error implements error.
func (e *MediaError) Error() string { return e.Detail }

// unchecked accepts every media.
type unchecked struct{}

// Check implements Media.
func (unchecked) Check(_ context.Context, m *message.Message) ([]sinch.Media, error) {
	media := make([]sinch.Media, len(m.Content.Media))
	for i, url := range m.Content.Media {
		media[i].URL = message.WireURL(url)
	}
	return media, nil
}

// hasStill reports whether an animation is sent as a still picture.
func hasStill(media []sinch.Media) bool {
	return slices.ContainsFunc(media, func(m sinch.Media) bool { return m.Still })
}

// mediaDeferrals is the number of times in a row that a message waits for a media
// host: about half a minute with the default pauses.
const mediaDeferrals = 4

// checkMedia checks the media within the task's time less that of a call. It ends
// when the worker stops.
func (h *Handler) checkMedia(ctx context.Context, m *message.Message) ([]sinch.Media, error) {
	end, ok := ctx.Deadline()
	if !ok {
		end = time.Now().Add(h.timing.Task)
	}
	ctx, cancel := context.WithDeadline(ctx, end.Add(-h.timing.Call))
	defer cancel()
	defer context.AfterFunc(h.open, cancel)()
	soon, cancelSoon := context.WithTimeout(ctx, mediaSoon)
	defer cancelSoon()
	types, err := h.media.Check(soon, m)
	if err == nil || soon.Err() == nil {
		return types, err
	}
	if !h.places.take(m.Scope.Tenant) {
		return nil, err
	}
	defer h.places.leave(m.Scope.Tenant)
	return h.media.Check(ctx, m)
}

// mediaSoon is how long a task waits for a check without one of the places.
const mediaSoon = 100 * time.Millisecond

// MediaPlaces is how many tasks of a worker with so many slots wait for media
// checks that take long. They take no slot, and half of the places at most are
// those of one tenant: the others come again later.
func MediaPlaces(slots int) int {
	const least, part = 8, 2
	return max(least, slots/part)
}

// places bound the tasks that wait.
type places struct {
	most int // of a tenant

	mu   sync.Mutex
	free int
	held map[string]int
}

func newPlaces(n int) *places {
	return &places{most: max(1, n/2), free: n, held: make(map[string]int)}
}

// take takes a place and reports whether there was one.
func (p *places) take(tenant string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.free == 0 || p.held[tenant] >= p.most {
		return false
	}
	p.free--
	p.held[tenant]++
	return true
}

func (p *places) leave(tenant string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free++
	if p.held[tenant]--; p.held[tenant] == 0 {
		delete(p.held, tenant)
	}
}

// badMedia ends or defers a message with media that cannot be sent.
func (h *Handler) badMedia(ctx context.Context, seen ledger.Snapshot, task int, why error) error {
	bad, ok := errors.AsType[*MediaError](why)
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

// change ends a message that waits for the task of generation task, or defers it.
func (e *MediaError) change(task int, retry message.Retry) ledger.Change {
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
