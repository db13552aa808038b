package ledger

import (
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"mmsdispatch/internal/message"
)

// writer appends fields to a record.
type writer struct{ out []byte }

func (w *writer) text(field protowire.Number, value string) {
	if value == "" {
		return
	}
	w.out = protowire.AppendTag(w.out, field, protowire.BytesType)
	w.out = protowire.AppendString(w.out, value)
}

// number writes a whole number that may be negative, as sint64.
func (w *writer) number(field protowire.Number, value int64) {
	if value == 0 {
		return
	}
	w.out = protowire.AppendTag(w.out, field, protowire.VarintType)
	w.out = protowire.AppendVarint(w.out, protowire.EncodeZigZag(value))
}

func (w *writer) count(field protowire.Number, value int) { w.number(field, int64(value)) }

func (w *writer) time(field protowire.Number, at time.Time) { w.number(field, millis(at)) }

// nested writes fields of fields, whose length stands before them.
func (w *writer) nested(field protowire.Number, write func(w *writer)) {
	w.out = protowire.AppendTag(w.out, field, protowire.BytesType)
	start := len(w.out)
	write(w)
	inner := len(w.out) - start
	prefix := protowire.SizeVarint(uint64(inner)) //nolint:gosec // a length
	w.out = slices.Insert(w.out, start, make([]byte, prefix)...)
	protowire.AppendVarint(w.out[:start], uint64(inner)) //nolint:gosec // a length; it fills the gap
}

func (w *writer) message(m *message.Message) {
	if m.ID != "" {
		w.text(fieldID, m.ID.Packed())
	}
	w.text(fieldTenant, m.Scope.Tenant)
	if m.Scope.Test {
		w.count(fieldTest, 1)
	}
	w.nested(fieldContent, func(w *writer) { w.content(&m.Content) })
	w.text(fieldFrom, m.From)
	if m.BatchID != "" {
		w.text(fieldBatchID, m.BatchID.Packed())
	}
	w.count(fieldShard, m.Shard)
	if m.Shared {
		w.count(fieldShared, 1)
	}
	w.text(fieldStatus, string(m.Status))
	if m.Reason != nil {
		w.nested(fieldReason, func(w *writer) { w.reason(m.Reason) })
	}
	w.count(fieldAttempts, m.Attempts)
	w.count(fieldTries, m.Tries)
	w.count(fieldDelays, m.Delays)
	for i := range m.Calls {
		w.nested(fieldCall, func(w *writer) { w.call(&m.Calls[i]) })
	}
	w.text(fieldSinchID, m.SinchID)
	w.text(fieldSentAs, m.SentAs)
	w.count(fieldTask, m.Task)
	w.count(fieldReplayed, m.Replayed)
	w.count(fieldReplays, m.Replays)
	w.count(fieldDeferrals, m.Deferrals)
	w.text(fieldGroup, m.Group)
	w.time(fieldNextAt, m.NextAt)
	w.time(fieldExpiresAt, m.ExpiresAt)
	w.time(fieldCreatedAt, m.CreatedAt)
	w.time(fieldUpdatedAt, m.UpdatedAt)
	w.time(fieldSentAt, m.SentAt)
	w.time(fieldFinalAt, m.FinalAt)
	w.count(fieldDropped, m.Dropped)
	for i := range m.Timeline {
		w.nested(fieldEntry, func(w *writer) {
			w.entry(&m.Timeline[i])
			if reason := m.Timeline[i].Reason; reason != nil && i < len(m.Timeline)-1 {
				w.nested(entryReason, func(w *writer) { w.reason(reason) })
			}
		})
	}
}

func (w *writer) content(c *message.Content) {
	w.text(contentTo, c.To)
	w.text(contentFrom, c.From)
	w.text(contentSubject, c.Subject)
	w.text(contentText, c.Text)
	for _, medium := range c.Media {
		w.text(contentMedia, medium)
	}
	w.text(contentReference, c.ClientReference)
	w.text(contentPriority, string(c.Priority))
	w.time(contentSendAt, c.SendAt)
	w.time(contentExpiresAt, c.ExpiresAt)
	w.text(contentFallbackText, c.FallbackText)
	w.text(contentCallbackURL, c.CallbackURL)
	if len(c.Metadata) == 0 {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(c.Metadata)) {
		w.text(contentKey, key)
		w.text(contentValue, c.Metadata[key])
	}
}

func (w *writer) reason(r *message.Reason) {
	w.text(reasonCode, string(r.Code))
	w.text(reasonMessage, r.Message)
	w.text(reasonSinchCode, r.SinchCode)
}

func (w *writer) call(a *message.Attempt) {
	w.count(callN, a.N)
	w.text(callState, string(a.State))
	w.text(callWorker, a.Worker)
	w.text(callAPI, a.API)
	w.text(callBaseURL, a.BaseURL)
	w.text(callAccount, a.Account)
	w.time(callBegun, a.Begun)
	w.time(callDeadline, a.Deadline)
	w.text(callSinchID, a.SinchID)
	w.count(callLooks, a.Lookups)
	w.time(callLookedAt, a.LookupAt)
	w.text(callShared, a.Call)
}

func (w *writer) entry(e *message.Entry) {
	w.time(entryAt, e.At)
	w.text(entryStatus, string(e.Status))
	w.text(entryDetail, e.Detail)
	w.count(entryAttempt, e.Attempt)
}
