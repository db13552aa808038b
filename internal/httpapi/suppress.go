package httpapi

import (
	"context"
	"errors"
	"sync"
	"time"

	"mmsdispatch/internal/message"
)

// suppressors is how many messages of a chunk are ended at a time.
const suppressors = 16

// suppress ends those of the messages just accepted whose recipients have opted
// out. What cannot be looked up now is left to the worker, which looks again
// before every call.
func (a *api) suppress(ctx context.Context, held []*message.Message) {
	work := make(chan *message.Message)
	var all sync.WaitGroup
	for range min(suppressors, len(held)) {
		all.Go(func() {
			for m := range work {
				a.suppressOne(ctx, m)
			}
		})
	}
	for _, m := range held {
		work <- m
	}
	close(work)
	all.Wait()
}

// suppressOne is suppress for one message; m becomes what became of it.
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
		a.Log.Warn().Str("message_id", string(m.ID)).Err(err).Msg("opt-outs not looked up; the worker will")
	}
}
