package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mmsdispatch/internal/background"
	"mmsdispatch/internal/callback"
	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/inbound"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/suppression"
	"mmsdispatch/internal/telemetry"
)

// consumers returns the consumers of changed messages that are enabled for a
// message; logged says whether there is a long-term log.
func consumers(scopes *callback.Scopes, logged bool) func(m *message.Message) ledger.Consumers {
	return func(m *message.Message) ledger.Consumers {
		var enabled ledger.Consumers
		if logged {
			enabled = enabled.With(ledger.ConsumerLog)
		}
		if m.Content.CallbackURL != "" || scopes.Has(m.Scope) {
			enabled = enabled.With(ledger.ConsumerCallbacks)
		}
		return enabled
	}
}

// Events makes the events of opt-outs and inbound messages.
type Events struct{ *callback.Outbox }

// OptOut implements suppression.Events.
func (e Events) OptOut(scope message.Scope, added bool, entry suppression.Entry, at time.Time) (string, error) {
	kind := callback.TypeOptOutRemoved
	if added {
		kind = callback.TypeOptOutAdded
	}
	return e.Event(scope, kind, "", httpapi.OptOutEvent(entry), at)
}

// Received implements inbound.Events.
func (e Events) Received(scope message.Scope, id string, at time.Time) (string, error) {
	return e.Event(scope, callback.TypeReceived, id, nil, at)
}

// scopesPart follows which scopes have events. Every process needs it that changes
// messages.
func (e *environment) scopesPart() part {
	loop := background.Loop(e.scopes.Run)
	return part{name: "scopes with events", Service: background.New(func(ctx context.Context) error {
		if err := e.scopes.Refresh(ctx); err != nil {
			e.log.Warn().Err(err).Msg("scopes with events not read yet")
		}
		return loop.Start(ctx)
	}, loop.Stop)}
}

// callbackParts are the consumer of changed messages and the sender of callbacks.
func callbackParts(env *environment) []part {
	cfg := env.cfg
	show := callback.Show{
		Message: httpapi.MessageEvent,
		Batch:   func(b ledger.Batch) []byte { return httpapi.BatchEvent(b, env.clock.Now()) },
		Inbound: func(ctx context.Context, id string) ([]byte, error) {
			m, err := env.inbound.Get(ctx, id)
			switch {
			case errors.Is(err, inbound.ErrNotFound):
				return nil, callback.ErrNotFound
			case err != nil:
				return nil, fmt.Errorf("event: %w", err)
			default:
				return httpapi.InboundEvent(m), nil
			}
		},
	}
	log := env.log.With().Str("part", "callbacks").Logger()
	consumer := callback.NewConsumer(callback.ConsumerOptions{
		Redis: env.rdb, Ledger: env.ledger, Store: env.callbacks, Scopes: env.scopes, Show: show, RecordTTL: cfg.Store.RecordTTL,
		Settle: callback.DefaultSettle, Log: log,
	})
	sender := callback.NewSender(callback.SenderOptions{
		Store: env.callbacks, Ledger: env.ledger, Show: show, Metrics: env.metrics.Callbacks, Tracer: env.tracer, Log: log,
		Timeout: cfg.Callback.Timeout, AllowPrivate: cfg.Callback.AllowPrivate, Fresh: callback.DefaultFresh,
	})
	return []part{
		{name: "callbacks", Service: sender},
		{name: "events", Service: background.Loop(consumer.Run)},
	}
}

// readCallbacks reads the backlog of the callbacks for the metrics.
func (e *environment) readCallbacks(ctx context.Context) (telemetry.CallbackBacklog, error) {
	var b telemetry.CallbackBacklog
	var err error
	if b.Changed, b.Behind, err = e.ledger.Backlog(ctx, ledger.ConsumerCallbacks); err != nil {
		return b, fmt.Errorf("changed messages: %w", err)
	}
	if b.Pending, b.Late, err = e.callbacks.Backlog(ctx); err != nil {
		return b, fmt.Errorf("deliveries: %w", err)
	}
	return b, nil
}
