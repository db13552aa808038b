package ledger

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"mmsdispatch/internal/message"
)

// writer appends fields to a record.
type writer struct {
	out  []byte
	base int64 // creation of the message as its id says, in Unix milliseconds
}

func (w *writer) text(field protowire.Number, value string) {
	if value == "" {
		return
	}
	w.out = protowire.AppendTag(w.out, field, protowire.BytesType)
	w.out = protowire.AppendString(w.out, value)
}

func (w *writer) bytes(field protowire.Number, value []byte) {
	if value == nil {
		return
	}
	w.out = protowire.AppendTag(w.out, field, protowire.BytesType)
	w.out = protowire.AppendBytes(w.out, value)
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

// word writes a text by its place in the table, or as it stands.
func (w *writer) word(field, placeField protowire.Number, value string) {
	if place := placeOfWord[value]; place > 0 {
		w.number(placeField, place)
		return
	}
	w.text(field, value)
}

// phone writes a number by its digits, or as it stands.
func (w *writer) phone(field, digitsField protowire.Number, value string) {
	if digits := digitsOf(value); digits > 0 && numberOf(digits) == value {
		w.number(digitsField, digits)
		return
	}
	w.text(field, value)
}

// operator writes a carrier by its digits, or as it stands.
func (w *writer) operator(id string) {
	if id == "" {
		return
	}
	if digits, err := strconv.ParseInt(id, 10, 32); err == nil && digits > 0 && strconv.FormatInt(digits, 10) == id {
		w.number(fieldOperatorID, digits)
		return
	}
	w.text(fieldOperator, id)
}

// since writes a time by what has passed since the creation of the message.
func (w *writer) since(field protowire.Number, at time.Time) {
	if !at.IsZero() {
		w.number(field, since(w.base, at.UnixMilli()))
	}
}

// nested writes a field that consists of fields, behind their length.
func (w *writer) nested(field protowire.Number, write func(w *writer)) {
	w.out = protowire.AppendTag(w.out, field, protowire.BytesType)
	start := len(w.out)
	write(w)
	inner := len(w.out) - start
	prefix := protowire.SizeVarint(uint64(inner)) //nolint:gosec // a length
	w.out = slices.Insert(w.out, start, make([]byte, prefix)...)
	protowire.AppendVarint(w.out[:start], uint64(inner)) //nolint:gosec // a length; it fills the gap
}

func (w *writer) message(m *message.Message, s sealed) {
	if m.ID != "" {
		w.text(fieldID, m.ID.Packed())
		w.base = m.ID.Created().UnixMilli()
	}
	w.text(fieldTenant, m.Scope.Tenant)
	if m.Scope.Test {
		w.count(fieldTest, 1)
	}
	w.nested(fieldContent, func(w *writer) { w.content(m, s.content == nil) })
	w.bytes(fieldSealed, s.content)
	w.bytes(fieldNumber, s.number)
	w.phone(fieldFrom, fieldFromNumber, m.From)
	if m.BatchID != "" {
		w.text(fieldBatchID, m.BatchID.Packed())
	}
	w.count(fieldShard, m.Shard)
	if m.Shared {
		w.count(fieldShared, 1)
	}
	w.word(fieldStatus, fieldStatusWord, string(m.Status))
	if m.Reason != nil {
		w.nested(fieldReason, func(w *writer) { w.reason(m.Reason) })
	}
	w.count(fieldAttempts, m.Attempts)
	w.count(fieldTries, m.Tries)
	w.count(fieldDelays, m.Delays)
	w.text(fieldSinchID, m.SinchID) // before the calls, which may have the same
	for i := range m.Calls {
		w.nested(fieldCall, func(w *writer) { w.call(&m.Calls[i], m.SinchID) })
	}
	w.word(fieldSentAs, fieldSentAsWord, m.SentAs)
	w.count(fieldTask, m.Task)
	w.count(fieldReplayed, m.Replayed)
	w.count(fieldReplays, m.Replays)
	w.count(fieldDeferrals, m.Deferrals)
	w.text(fieldGroup, m.Group)
	w.moments(m)
	w.number(fieldPace, m.Pace)
	w.operator(m.Operator)
	w.text(fieldTrace, string(m.Trace))
	w.count(fieldDropped, m.Dropped)
	w.timeline(m)
}

// moments writes when something happened to a message, or will.
func (w *writer) moments(m *message.Message) {
	w.since(fieldNextSince, m.NextAt)
	w.since(fieldExpiresSince, m.ExpiresAt)
	w.since(fieldCreatedSince, m.CreatedAt)
	w.since(fieldUpdatedSince, m.UpdatedAt)
	w.since(fieldSentSince, m.SentAt)
	w.since(fieldFinalSince, m.FinalAt)
	w.since(fieldRedactedSince, m.RedactedAt)
	w.since(fieldHeldSince, m.HeldUntil)
}

// timeline writes the entries; the reason of the last one is the message's.
func (w *writer) timeline(m *message.Message) {
	for i := range m.Timeline {
		w.nested(fieldEntry, func(w *writer) {
			w.entry(&m.Timeline[i])
			if reason := m.Timeline[i].Reason; reason != nil && i < len(m.Timeline)-1 {
				w.nested(entryReason, func(w *writer) { w.reason(reason) })
			}
		})
	}
}

// content writes the fields of a message's content, those that are private unless
// they are sealed.
func (w *writer) content(m *message.Message, private bool) {
	if private {
		w.private(m)
	}
	c := &m.Content
	w.text(contentFrom, c.From)
	w.text(contentReference, c.ClientReference)
	w.word(contentPriority, contentPriorityWord, string(c.Priority))
	w.time(contentSendAt, c.SendAt)
	w.time(contentExpiresAt, c.ExpiresAt)
	w.text(contentQuietHours, string(c.QuietHours))
}

// private writes those fields of a message's content that are encrypted where
// there are keys.
func (w *writer) private(m *message.Message) {
	w.phone(contentTo, contentToNumber, m.Content.To)
	if !compressible(m) {
		w.rest(&m.Content)
		return
	}
	var plain writer
	plain.rest(&m.Content)
	if small := compress(plain.out); len(small) < len(plain.out) {
		w.bytes(contentCompressed, small)
	} else {
		w.out = append(w.out, plain.out...)
	}
}

// rest writes the private fields of a content but for the recipient.
func (w *writer) rest(c *message.Content) {
	w.text(contentSubject, c.Subject)
	w.text(contentText, c.Text)
	for _, url := range c.Media {
		w.text(contentMedia, url)
	}
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

func (w *writer) call(a *message.Attempt, shown string) {
	w.count(callN, a.N)
	w.word(callState, callStateWord, string(a.State))
	w.text(callWorker, a.Worker)
	w.word(callAPI, callAPIWord, a.API)
	w.text(callBaseURL, a.BaseURL)
	w.text(callAccount, a.Account)
	w.since(callBegunSince, a.Begun)
	w.since(callDeadlineSince, a.Deadline)
	if a.SinchID != "" && a.SinchID == shown {
		w.count(callShown, 1)
	} else {
		w.text(callSinchID, a.SinchID)
	}
	w.count(callLookups, a.Lookups)
	w.since(callLookupSince, a.LookupAt)
	w.text(callShared, a.Call)
}

func (w *writer) entry(e *message.Entry) {
	w.since(entrySince, e.At)
	w.word(entryStatus, entryStatusWord, string(e.Status))
	w.word(entryDetail, entryDetailWord, e.Detail)
	w.count(entryAttempt, e.Attempt)
	w.bytes(entryPhases, packPhases(e.Phases))
}
