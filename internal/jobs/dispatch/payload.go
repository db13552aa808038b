package dispatch

import (
	"context"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/saved"
	"mmsdispatch/internal/sinch"
)

const (
	// graceImages and graceEncoded are after how long saved media without a report
	// from Sinch count as ready: reports may not come, or get lost.
	graceImages  = 5 * time.Second
	graceEncoded = 30 * time.Second

	// plainFault is how long messages are sent with their media after Sinch could
	// not be reached to save them: their own calls show whether it can be.
	plainFault = 10 * time.Second
	// savedPause is after how long a message comes back that got no permit to save.
	savedPause = time.Second
	// savedWait is how long a task waits while another one saves its media, before
	// it goes back to the queue. Put back at once, the tasks of a campaign would
	// circulate as fast as Redis can. savedPoll is how often it checks meanwhile.
	savedWait = 500 * time.Millisecond
	savedPoll = 100 * time.Millisecond
	// savedWriteTime bounds a write about a template.
	savedWriteTime = 2 * time.Second

	// savedCallsMax is after how many calls a message is sent with its media,
	// whatever the reason of the others.
	savedCallsMax = 20
)

// payload is what a message is sent with.
type payload struct {
	media   []sinch.Media
	key     saved.Key // of its template; empty: it has none
	savedID string    // what text and media are saved as at Sinch; empty: they are sent along
	grace   time.Duration
}

// payload returns what a message is sent with: its media, or the name under which
// Sinch has saved them. The first task of those that share media has them saved.
// The error is a laterError.
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
	if err != nil { // saved media save work and are not needed
		return c, nil //nolint:nilerr // the call does not begin either, when Redis is down
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

// savedSoon reads the state of a template, and waits a moment for one that another
// task saves.
func (h *Handler) savedSoon(ctx context.Context, key saved.Key) (saved.Template, error) {
	hold, cancel := context.WithTimeout(ctx, savedWait)
	defer cancel()
	defer context.AfterFunc(h.open, cancel)() // a worker that stops gives its tasks back
	template, err := h.saved.Look(ctx, key)
	for err == nil && template.Pending() && sleep(hold, savedPoll) {
		template, err = h.saved.Look(ctx, key)
	}
	return template, err
}

// sleep lets time pass and reports whether ctx is still there.
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

// shares reports whether a message may go out by what it shares with others of
// its batch. A replay is one message by itself.
func (h *Handler) shares(m *message.Message) bool {
	return h.saved != nil && m.Shared && !m.Scope.Test && m.Replays == 0 && m.Attempts < savedCallsMax
}

// templateKey names what messages of one batch share: a batch, since a URL may
// hold something else the next day.
func (h *Handler) templateKey(origin sinch.Origin, m *message.Message, media []sinch.Media) saved.Key {
	const fixed = 5
	parts := make([]string, 0, fixed+2*len(media))
	parts = append(parts, string(origin.API), origin.BaseURL, origin.Account, string(m.BatchID), m.Content.Text)
	for _, medium := range media {
		parts = append(parts, medium.URL, medium.ContentType)
	}
	return h.saved.NewKey(parts...)
}

// save has text and media saved at Sinch. It is a call like any other to pace
// and pause, but no attempt of the message, which then comes again. No error:
// the message brings its media along.
func (h *Handler) save(ctx context.Context, m *message.Message, saver sinch.Saver, c payload) error {
	claim, won, err := h.saved.Claim(ctx, c.key, h.timing.Task)
	switch {
	case err != nil:
		return nil // as in load
	case !won:
		return later(savedPause, "its media are being saved")
	}
	permit, err := h.acquire(ctx, m)
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

// savedBy takes in what became of the call that saves.
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

// noteSaved records what the outcome of a call shows about saved media.
func (h *Handler) noteSaved(c payload, o message.Outcome) {
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

// write records the state of a template, also when the task's own time
// is over. A state that Redis does not take expires, or the next call shows it.
func (h *Handler) write(change func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(h.life, savedWriteTime)
	defer cancel()
	if err := change(ctx); err != nil {
		h.log.Warn().Err(err).Msg("state of saved media not recorded")
	}
}
