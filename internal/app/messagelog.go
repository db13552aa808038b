package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mmsdispatch/internal/background"
	"mmsdispatch/internal/config"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/messagelog"
	"mmsdispatch/internal/telemetry"
)

// The greatest numbers of connections to PostgreSQL.
const (
	writerConns = 4
	readerConns = 8
)

// schemaTimeout bounds the check of the schema at the start of a worker, which does
// not need PostgreSQL.
const schemaTimeout = 3 * time.Second

// hasLog reports whether there is a long-term log.
func (e *environment) hasLog() bool { return e.messages != nil }

// openLog sets the long-term log, if there is one. PostgreSQL need not be running.
func (e *environment) openLog() error {
	if e.cfg.Store.DatabaseURL.IsZero() {
		return nil
	}
	conns := int32(readerConns)
	if e.cfg.Process == config.Worker {
		conns = writerConns
	}
	messages, err := messagelog.New(messagelog.Options{
		URL: e.cfg.Store.DatabaseURL.Reveal(), Records: e.ledger, Retention: time.Duration(e.cfg.Log.Retention), Keys: e.keys,
		HashKey: e.cfg.Log.HashKey(), ContentTTL: e.cfg.Store.ContentTTL, Connections: conns, Now: e.clock.Now,
	})
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	e.messages = messages
	e.metrics.Registry.MustRegister(telemetry.NewLogCollector(e.readLogBacklog))
	return nil
}

// erasures brings erasures to the long-term log.
func (e *environment) erasures() *messagelog.Erasures {
	return messagelog.NewErasures(messagelog.ErasuresOptions{
		Redis: e.rdb, Log: e.messages, Ledger: e.ledger, Senders: e.cfg.Sinch.SenderTenants.Canonical(),
		Logger: e.log.With().Str("part", "log").Logger(),
	})
}

// logPart closes the connections to PostgreSQL at the end.
func (e *environment) logPart() []part {
	if !e.hasLog() {
		return nil
	}
	return []part{{name: "long-term log", Service: background.AtStop(func(context.Context) { e.messages.Close() })}}
}

// logWriter returns the parts that write the long-term log. A worker does not start
// on an older schema, and starts without PostgreSQL.
func logWriter(env *environment) []part {
	if !env.hasLog() {
		return nil
	}
	log := env.log.With().Str("part", "log").Logger()
	writer := messagelog.NewWriter(messagelog.WriterOptions{
		Log: env.messages, Ledger: env.ledger, Redis: env.rdb, Erasures: env.erasures(), Logger: log,
		Report: telemetry.NewStateLog(log, "long-term log not written; messages wait in Redis", "long-term log written again").Report,
	})
	loop, inbound := background.Loop(writer.Run, writer.KeepHouse, writer.DropContent), background.Loop(env.logInbound)
	start := func(ctx context.Context) error {
		bounded, cancel := context.WithTimeout(ctx, schemaTimeout)
		defer cancel()
		if err := env.messages.CheckSchema(bounded); errors.Is(err, messagelog.ErrSchema) {
			return err
		}
		return loop.Start(ctx)
	}
	return []part{
		{name: "log of inbound messages", Service: inbound},
		{name: "writer of the long-term log", Service: background.New(start, loop.Stop)},
	}
}

// readLogBacklog reads the backlog of the long-term log for the metrics.
func (e *environment) readLogBacklog(ctx context.Context) (telemetry.LogBacklog, error) {
	n, lag, err := e.ledger.Backlog(ctx, ledger.ConsumerLog)
	if err != nil {
		return telemetry.LogBacklog{}, fmt.Errorf("changed messages: %w", err)
	}
	return telemetry.LogBacklog{Messages: n, Lag: lag}, nil
}

// The log of inbound messages: how many are read at a time, how often, and how long a
// round may take.
const (
	inboundAtOnce  = 100
	inboundEvery   = time.Second
	inboundTimeout = 15 * time.Second
)

// logInbound writes the inbound messages that wait for the log until ctx ends.
func (e *environment) logInbound(ctx context.Context) {
	state := telemetry.NewStateLog(e.log, "inbound messages not logged; they wait in Redis", "inbound messages logged again")
	ticker := time.NewTicker(inboundEvery)
	defer ticker.Stop()
	for {
		if err := e.logInboundOnce(ctx); ctx.Err() == nil {
			state.Report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (e *environment) logInboundOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, inboundTimeout)
	defer cancel()
	waiting, err := e.inbound.Unlogged(ctx, inboundAtOnce)
	if err != nil {
		return fmt.Errorf("inbound messages: %w", err)
	}
	for _, m := range waiting {
		err := e.messages.WriteInbound(ctx, messagelog.Inbound{
			ID: m.ID, From: m.From, To: m.To, Text: m.Text, Media: m.Media, Keyword: m.Keyword, ReceivedAt: m.ReceivedAt, Record: m.Body,
		})
		if err == nil {
			err = e.inbound.Logged(ctx, m.Message)
		}
		if err != nil {
			return fmt.Errorf("inbound messages: %w", err)
		}
	}
	return nil
}
