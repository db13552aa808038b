// Package receipts records the receipts of Sinch in the ledger.
package receipts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/receipt"
	"mmsdispatch/internal/tracing"
)

// Result is the result of a receipt.
type Result string

// The results.
const (
	Applied Result = "applied"
	Unknown Result = "unknown_message" // about an unknown message
	Ignored Result = "ignored"         // not about a message
	Foreign Result = "foreign_api"     // about an attempt made through another API
)

// errForeign ends an update for a receipt of another API than the attempt's.
var errForeign = errors.New("receipt of another API")

// Blocker blocks numbers that Sinch refuses to send to.
type Blocker interface {
	// Block adds a number to the opt-outs; code is Sinch's.
	Block(ctx context.Context, scope message.Scope, number, sender, code string) error
}

// Templates records the state of saved media.
type Templates interface {
	// Report records the state of saved media, by the reference or by Sinch's id.
	// known is false for unknown media.
	Report(ctx context.Context, ref, id string, ready bool) (known bool, err error)
}

// Receiver applies receipts.
type Receiver struct {
	ledger    *ledger.Ledger
	optOuts   Blocker
	templates Templates
	tracer    *tracing.Tracer // nil: receipts are not traced
	log       zerolog.Logger
}

// New creates a Receiver.
func New(l *ledger.Ledger, optOuts Blocker, templates Templates, tracer *tracing.Tracer, log zerolog.Logger) *Receiver {
	return &Receiver{ledger: l, optOuts: optOuts, templates: templates, tracer: tracer, log: log}
}

// Apply records one receipt. It fails only when Redis is unavailable: Sinch must
// send the receipt again then.
func (r *Receiver) Apply(ctx context.Context, got receipt.Receipt) (Result, error) {
	switch got.Kind {
	case receipt.KindReport:
	case receipt.KindTemplate:
		return r.template(ctx, got)
	default:
		return Ignored, nil
	}
	line := r.log.Info()
	result, err := r.report(ctx, got, line)
	line.Str("api", string(got.Shape)).Str("result", string(result)).Err(err).Msg("receipt")
	return result, err
}

// report records a delivery report, and adds its message and content to the log line.
func (r *Receiver) report(ctx context.Context, got receipt.Receipt, line *zerolog.Event) (Result, error) {
	id, n, err := r.attempt(ctx, got)
	switch {
	case errors.Is(err, ledger.ErrUnavailable):
		return "", fmt.Errorf("apply receipt: %w", err)
	case err != nil:
		return Unknown, nil //nolint:nilerr // unknown message: sending it again would not help
	}
	line.Str("message_id", string(id)).Int("attempt", n).Str("receipt", string(got.State)).
		Str("code", string(got.Code)).Str("sinch_code", got.SinchCode)
	var span *tracing.Span
	m, err := r.ledger.Update(ctx, id, func(m *message.Message, now time.Time) error {
		if !matches(m, n, got.Shape) {
			return errForeign
		}
		before := m.Entries()
		err := m.Receive(message.Receipt{
			Attempt: n, State: got.State, SinchID: got.SinchID, SentAs: got.SentAs, Operator: got.Operator,
			Code: got.Code, SinchCode: got.SinchCode, Detail: got.Detail,
		}, now)
		if m.Entries() > before { // it is no repetition
			if span == nil {
				span = r.tracer.Receipt(ctx, m)
			}
			span.Of(m)
		}
		return err
	})
	span.Received(id, n, string(got.State), got.SinchCode)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return Unknown, nil
	case errors.Is(err, errForeign):
		return Foreign, nil
	case err != nil:
		return "", fmt.Errorf("apply receipt: %w", err)
	}
	line.Str("status", string(m.Status))
	if m.BatchID != "" {
		line.Str("batch_id", string(m.BatchID))
	}
	if got.Unproven != "" { // only added to the timeline
		return Result(got.Unproven), nil
	}
	if got.Code == message.ReasonSuppressed && !m.Scope.Test {
		if err := r.optOuts.Block(ctx, m.Scope, m.Content.To, m.From, got.SinchCode); err != nil {
			return "", fmt.Errorf("apply receipt: %w", err)
		}
	}
	return Applied, nil
}

// matches reports whether a receipt can be about an attempt: one made through the API
// that writes such receipts. If Redis lost the attempt, receipts of the built-in
// simulator match test messages, and all others live ones.
func matches(m *message.Message, n int, shape receipt.Shape) bool {
	i := slices.IndexFunc(m.Calls, func(a message.Attempt) bool { return a.N == n })
	if i < 0 {
		return (shape == receipt.ShapeSimulator) == m.Scope.Test
	}
	return shape.WrittenBy(sinch.API(m.Calls[i].API))
}

// template records the state of saved media.
func (r *Receiver) template(ctx context.Context, got receipt.Receipt) (Result, error) {
	known, err := r.templates.Report(ctx, got.Ref, got.Template.ID, got.Template.Ready)
	switch {
	case err != nil:
		return "", fmt.Errorf("apply receipt: %w", err)
	case !known:
		return Ignored, nil
	default:
		return Applied, nil
	}
}

// attempt finds the attempt of a receipt: by its reference, or by Sinch's id of the
// call when the receipt has no reference of this service.
func (r *Receiver) attempt(ctx context.Context, got receipt.Receipt) (message.ID, int, error) {
	if _, _, err := message.ParseAttemptRef(got.Ref); err != nil && !message.IsCall(got.Ref) {
		if got.SinchID == "" {
			return "", 0, ledger.ErrNotFound
		}
		if got.Ref, err = r.ledger.CallOf(ctx, string(got.Shape), got.SinchID); err != nil {
			return "", 0, err
		}
	}
	if message.IsCall(got.Ref) { // a multi-recipient send: the recipient identifies the message
		ref, err := r.ledger.AttemptOf(ctx, got.Ref, got.Recipient)
		if err != nil {
			return "", 0, err
		}
		got.Ref = ref
	}
	return message.ParseAttemptRef(got.Ref)
}
