package httpapi

import (
	"context"
	"errors"
	"sync"
	"time"

	"mmsdispatch/internal/message"
)

// suppressors bounds the messages of a chunk that are ended concurrently.
const suppressors = 16

// suppress ends the messages just accepted whose recipients have opted out. A
// failed lookup is left to the worker, which checks again before every request to
// Sinch.
func (a *api) suppress(ctx context.Context, suppressed []*message.Message) {
	work := make(chan *message.Message)
	var all sync.WaitGroup
	for range min(suppressors, len(suppressed)) {
		all.Go(func() {
			for m := range work {
				a.suppressOne(ctx, m)
			}
		})
	}
	for _, m := range suppressed {
		work <- m
	}
	close(work)
	all.Wait()
}

// suppressOne is suppress for one message; it replaces m with the new state.
func (a *api) suppressOne(ctx context.Context, m *message.Message) {
	suppressed, err := a.OptOuts.Suppressed(ctx, m.Scope, m.Content.To, m.From)
	if err == nil && suppressed {
		var after *message.Message
		after, err = a.Ledger.Update(ctx, m.ID, func(m *message.Message, now time.Time) error { return m.Suppress(now) })
		if err == nil {
			*m = *after
		}
	}
	if _, late := errors.AsType[*message.TransitionError](err); err != nil && !late {
		a.Log.Warn().Str("message_id", string(m.ID)).Err(err).Msg("opt-outs not checked; the worker will check them")
	}
}
