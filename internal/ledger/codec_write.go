package ledger

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/encoding/protowire"

	"mmsdispatch/internal/message"
)

// writer appends fields to a record.
type writer struct {
	out     []byte
	base    int64 // creation of the message as its id says, in Unix milliseconds
	huffman bool  // the texts of the content are coded
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

// coded writes a text of the content in the Huffman code of HTTP/2 (RFC 7541), which
// was made for URLs and lower case: typical texts take three quarters of their length.
func (w *writer) coded(field protowire.Number, value string) {
	if w.huffman {
		const longerTag = 1
		if n := hpack.HuffmanEncodeLength(value); n+longerTag < uint64(len(value)) {
			w.out = protowire.AppendTag(w.out, field+contentHuffman, protowire.BytesType)
			w.out = protowire.AppendVarint(w.out, n)
			w.out = hpack.AppendHuffmanString(w.out, value)
			return
		}
	}
	w.text(field, value)
}

// nested writes a field that consists of fields, behind their length.
func (w *writer) nested(field protowire.Number, write func(w *writer)) {
	w.out = protowire.AppendTag(w.out, field, protowire.BytesType)
	w.sized(write)
}

// sized writes a value behind its length.
func (w *writer) sized(write func(w *writer)) {
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
	implied := impliedBy(w.base, m.Timeline)
	flags := implied.flags(m)
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
	if flags&impliedStatus == 0 {
		w.word(fieldStatus, fieldStatusWord, string(m.Status))
	}
	if m.Reason != nil {
		w.nested(fieldReason, func(w *writer) { w.reason(m.Reason) })
	}
	w.count(fieldAttempts, m.Attempts)
	w.count(fieldTries, m.Tries)
	w.count(fieldDelays, m.Delays)
	w.sinchID(m.SinchID) // before the calls, which may have the same
	w.calls(m)
	w.word(fieldSentAs, fieldSentAsWord, m.SentAs)
	w.count(fieldTask, m.Task)
	w.count(fieldReplayed, m.Replayed)
	w.count(fieldReplays, m.Replays)
	w.count(fieldDeferrals, m.Deferrals)
	w.text(fieldGroup, m.Group)
	w.moments(m, flags)
	w.number(fieldPace, m.Pace)
	w.operator(m.Operator)
	w.text(fieldTrace, string(m.Trace))
	w.count(fieldDropped, m.Dropped)
	w.timeline(m.Timeline, flags)
}

// moments writes when something happened to a message, or will, but for the times
// that are implied.
func (w *writer) moments(m *message.Message, flags uint64) {
	w.since(fieldNextSince, m.NextAt)
	w.since(fieldExpiresSince, m.ExpiresAt)
	if flags&impliedCreated == 0 {
		w.since(fieldCreatedSince, m.CreatedAt)
	}
	if flags&impliedUpdated == 0 {
		w.since(fieldUpdatedSince, m.UpdatedAt)
	}
	if flags&impliedSent == 0 {
		w.since(fieldSentSince, m.SentAt)
	}
	if flags&impliedFinal == 0 {
		w.since(fieldFinalSince, m.FinalAt)
	}
	w.since(fieldRedactedSince, m.RedactedAt)
	w.since(fieldHeldSince, m.HeldUntil)
}

// calls writes the attempts that a message keeps. Of nearly every message that is
// done it is one, of which only the API is left to say.
func (w *writer) calls(m *message.Message) {
	for i := range m.Calls {
		a := &m.Calls[i]
		if place := placeOfWord[a.API]; place > 0 && *a == acceptedCall(m, a.API) {
			w.number(fieldAcceptedCall, place)
			continue
		}
		w.nested(fieldCall, func(w *writer) { w.call(a, m.SinchID) })
	}
}

// acceptedCall is the last attempt of a message once Sinch has accepted it.
func acceptedCall(m *message.Message, api string) message.Attempt {
	return message.Attempt{N: m.Attempts, State: message.AttemptAccepted, API: api, SinchID: m.SinchID}
}

// content writes the fields of a message's content, those that are private unless
// they are sealed.
func (w *writer) content(m *message.Message, private bool) {
	w.huffman = formOf(m) == formHuffman
	if private {
		w.private(m)
	}
	c := &m.Content
	w.text(contentFrom, c.From)
	w.coded(contentReference, c.ClientReference)
	w.word(contentPriority, contentPriorityWord, string(c.Priority))
	w.time(contentSendAt, c.SendAt)
	w.time(contentExpiresAt, c.ExpiresAt)
	w.text(contentQuietHours, string(c.QuietHours))
}

// private writes those fields of a message's content that are encrypted where
// there are keys.
func (w *writer) private(m *message.Message) {
	w.phone(contentTo, contentToNumber, m.Content.To)
	if formOf(m) != formCompressed {
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
	w.coded(contentSubject, c.Subject)
	w.coded(contentText, c.Text)
	for _, url := range c.Media {
		w.coded(contentMedia, url)
	}
	w.coded(contentFallbackText, c.FallbackText)
	w.coded(contentCallbackURL, c.CallbackURL)
	if len(c.Metadata) == 0 {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(c.Metadata)) {
		w.coded(contentKey, key)
		w.coded(contentValue, c.Metadata[key])
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
