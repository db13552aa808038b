package app

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/background"
	"mmsdispatch/internal/config"
	"mmsdispatch/internal/telemetry"
	"mmsdispatch/internal/tracing"
)

// newTracer makes the tracer of a process; nil: there are no traces.
func newTracer(cfg *config.Config, log zerolog.Logger) (*tracing.Tracer, error) {
	if cfg.Telemetry.OTLPEndpoint == "" {
		return nil, nil //nolint:nilnil // a nil tracer traces nothing
	}
	tracer, err := tracing.New(context.Background(), tracing.Options{
		Endpoint: string(cfg.Telemetry.OTLPEndpoint), Service: "mmsdispatch-" + string(cfg.Process),
		Version: telemetry.ReadBuild(string(cfg.Process)).Version,
		Report:  telemetry.NewStateLog(log, "traces cannot be exported; they are lost", "traces are exported again").Report,
	})
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	return tracer, nil
}

// newReporter makes the reporter of errors of a process; nil: none are reported.
func newReporter(cfg *config.Config) (*telemetry.Reporter, error) {
	if cfg.Telemetry.SentryDSN.IsZero() {
		return nil, nil //nolint:nilnil // a nil reporter reports nothing
	}
	reporter, err := telemetry.NewReporter(cfg.Telemetry.SentryDSN.Reveal(), telemetry.ReadBuild(string(cfg.Process)))
	if err != nil {
		return nil, fmt.Errorf("SENTRY_DSN: %w", err)
	}
	return reporter, nil
}

// panicked is what a panic goes to that ends the process; nil: to nothing but the
// standard error, where the runtime writes it in any case. Only the type of its value is
// reported, since the value may contain personal data.
func (e *environment) panicked() background.PanicFunc {
	if e.reporter == nil {
		return nil
	}
	return func(value any, stack []byte) {
		e.log.WithLevel(zerolog.FatalLevel).Str("panic", fmt.Sprintf("%T", value)).Bytes("stack", stack).Msg("a panic ends the process")
		e.reporter.Flush(context.Background())
	}
}

// exports sends the last spans and reports when all other parts have stopped.
func (e *environment) exports() part {
	return part{name: "traces and reports", Service: background.AtStop(func(ctx context.Context) {
		if err := e.tracer.Stop(ctx); err != nil {
			e.log.Warn().Str(zerolog.ErrorFieldName, telemetry.Scrub(err.Error())).Msg("the last traces were not exported")
		}
		e.reporter.Stop(ctx)
	})}
}
