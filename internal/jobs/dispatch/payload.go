package dispatch

import (
	"context"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/saved"
	"mmsdispatch/internal/sinch"
)

const (
	// graceImages and graceEncoded are the times after which saved media without a
	// report from Sinch count as ready: a report can be missing.
	graceImages  = 5 * time.Second
	graceEncoded = 30 * time.Second

	// plainFault is the time for which messages are sent with their media after Sinch
	// could not be reached to save them: their own calls show when it is reachable.
	plainFault = 10 * time.Second
	// savedPause is the pause of a message that got no permit to save.
	savedPause = time.Second
	// savedWait is the time for which a task waits while another one saves its media,
	// before it is enqueued again. Without it the tasks of a campaign would be
	// dequeued and enqueued in a tight loop. savedPoll is the interval of its checks.
	savedWait = 500 * time.Millisecond
	savedPoll = 100 * time.Millisecond
	// savedWriteTime bounds a write of a template's state.
	savedWriteTime = 2 * time.Second

	// savedCallsMax is the number of attempts after which a message is sent with its
	// media, for any reason of the failures.
	savedCallsMax = 20
)

// payload is the media of a request, or the template that replaces them.
type payload struct {
	media   []sinch.Media
	key     saved.Key // of its template; empty: it has none
	savedID string    // Sinch's id of the saved text and media; empty: they are in the request
	grace   time.Duration
}

// payload returns the media of a message, or Sinch's id of the saved ones. The first
// task of the messages with equal media has them saved. The error is a laterError.
func (h *Handler) payload(ctx context.Context, m *message.Message, media []sinch.Media) (payload, error) {
	c := payload{media: media}
	saver, ok := h.providers.For(m).(sinch.Saver)
	if !ok || !h.shares(m) {
		return c, nil
	}
	c.key, c.grace = h.templateKey(h.providers.For(m).Origin(), m, c.media), graceImages
	if saver.Encodes(c.media) {
		c.grace = graceEncoded
	}
	template, err := h.savedSoon(ctx, c.key)
	if err != nil { // the message can be sent with its media
		return c, nil //nolint:nilerr // when Redis is down, the call does not begin either
	}
	switch template.State {
	case saved.Ready:
		c.savedID = template.ID
		return c, nil
	case saved.Saving, saved.Waiting:
		return c, later(template.Pause(time.Now()), "its media are being saved")
	case saved.Absent:
		return c, h.save(ctx, m, saver, c)
	case saved.Plain:
	}
	return c, nil
}

// savedSoon reads the state of a template, and waits up to savedWait for one that
// another task saves.
func (h *Handler) savedSoon(ctx context.Context, key saved.Key) (saved.Template, error) {
	soon, cancel := context.WithTimeout(ctx, savedWait)
	defer cancel()
	defer context.AfterFunc(h.open, cancel)() // a worker that stops returns its tasks to the queue
	template, err := h.saved.Lookup(ctx, key)
	for err == nil && template.Pending() && sleep(soon, savedPoll) {
		template, err = h.saved.Lookup(ctx, key)
	}
	return template, err
}

// sleep waits for d, and returns false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// shares reports whether a message may be sent by a template, which it shares with
// others of its batch. A replay is sent with its media.
func (h *Handler) shares(m *message.Message) bool {
	return h.saved != nil && m.Shared && !m.Scope.Test && m.Replays == 0 && m.Attempts < savedCallsMax
}

// templateKey names the text and media that messages of one batch share. It
// contains the batch, since the content of a URL may change between batches.
func (h *Handler) templateKey(origin sinch.Origin, m *message.Message, media []sinch.Media) saved.Key {
	const fixed = 5
	parts := make([]string, 0, fixed+2*len(media))
	parts = append(parts, string(origin.API), origin.BaseURL, origin.Account, string(m.BatchID), m.Content.Text)
	for _, one := range media {
		parts = append(parts, one.URL, one.ContentType)
	}
	return h.saved.NewKey(parts...)
}

// save has text and media saved at Sinch. The call needs a permit like any other,
// but is no attempt of the message, whose task then runs again. Without an error
// the message is sent with its media.
func (h *Handler) save(ctx context.Context, m *message.Message, saver sinch.Saver, c payload) error {
	claim, won, err := h.saved.Claim(ctx, c.key, h.timing.Task)
	switch {
	case err != nil:
		return nil // as in payload
	case !won:
		return later(savedPause, "its media are being saved")
	}
	permit, err := h.acquire(ctx, withoutSender(m)) // what is saved counts for no sender
	if err != nil {
		h.write(func(ctx context.Context) error { return h.saved.Release(ctx, claim) })
		return err
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < h.timing.Call {
		permit.Release(ctx)
		h.write(func(ctx context.Context) error { return h.saved.Release(ctx, claim) })
		return later(0, "too little time left for a call")
	}
	deadline := time.Now().Add(h.timing.Call)
	callCtx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancel()
	outcome := saver.Save(callCtx, sinch.Shared{Ref: c.key.Ref(), Text: m.Content.Text, Media: c.media, Deadline: deadline})
	h.log.Info().Str("template", string(c.key)).Str("outcome", string(outcome.Kind)).Str("sinch_code", outcome.SinchCode).Msg("savemms")
	return h.savedBy(claim, c, permit.Report(h.life, outcome))
}

// savedBy records the outcome of the call that saves.
func (h *Handler) savedBy(claim saved.Claim, c payload, o message.Outcome) error {
	plain := saved.PlainFor
	switch o.Kind {
	case message.OutcomeAccepted:
		h.write(func(ctx context.Context) error { return h.saved.Saved(ctx, claim, o.SinchID, c.grace) })
		return later(savedPause, "its media are being saved")
	case message.OutcomeThrottled, message.OutcomeAccount:
		h.write(func(ctx context.Context) error { return h.saved.Release(ctx, claim) })
		return later(max(o.RetryAfter, savedPause), "its media cannot be saved now")
	case message.OutcomeNotSent:
		if o.SinchCode == "" {
			plain = plainFault
		}
	default:
	}
	h.write(func(ctx context.Context) error { return h.saved.Avoid(ctx, claim, plain) })
	return nil
}

// reportSaved records the state of saved media that the outcome of a call proves.
func (h *Handler) reportSaved(c payload, o message.Outcome) {
	if c.savedID == "" {
		return
	}
	switch o.Kind {
	case message.OutcomeAccepted:
		h.saved.Used()
	case message.OutcomeGone:
		h.write(func(ctx context.Context) error { return h.saved.Gone(ctx, c.key, c.savedID) })
	case message.OutcomeNotReady:
		h.write(func(ctx context.Context) error { return h.saved.NotReady(ctx, c.key, c.savedID, c.grace) })
	default:
	}
}

// write records the state of a template, also after the end of the task's time. A
// state that could not be written expires, or the next call reports it again.
func (h *Handler) write(change func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(h.life, savedWriteTime)
	defer cancel()
	if err := change(ctx); err != nil {
		h.log.Warn().Err(err).Msg("state of saved media not recorded")
	}
}

// withoutSender is a message to the limits of the account alone.
func withoutSender(m *message.Message) *message.Message {
	alone := *m
	alone.From = ""
	return &alone
}
