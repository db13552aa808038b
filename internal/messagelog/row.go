package messagelog

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"mmsdispatch/internal/message"
)

// Records packs messages as the ledger does.
type Records interface {
	// Pack returns a message in the form of a record, encrypted where there are keys.
	Pack(m *message.Message, version int64) []byte
	// Unpack is the reverse of Pack. With encryption.ErrKeyMissing the message is there
	// without what is private in its content.
	Unpack(record []byte) (*message.Message, error)
}

// Entry is a message to log.
type Entry struct {
	Message *message.Message
	Version int64 // of its record in the ledger
}

const (
	kindLive = "live"
	kindTest = "test"
)

func kindOf(scope message.Scope) string {
	if scope.Test {
		return kindTest
	}
	return kindLive
}

// numberLabel is of the hashes of recipients under RECORD_KEYS.
const numberLabel = "number"

// number is a recipient as the log has it: under LOG_NUMBERS=hash its HMAC, where
// there are keys its keyed hash, otherwise the number. Masked numbers stay.
func (l *Log) number(number string) string {
	switch {
	case number == "" || message.IsMasked(number):
		return number
	case l.opts.HashKey != nil:
		return l.hmac(number)
	default:
		return l.opts.Keys.Name(numberLabel, number)
	}
}

// numbers are the forms in which the log may have a recipient, since settings
// change.
func (l *Log) numbers(number string) []string {
	all := []string{number}
	if l.opts.HashKey != nil {
		all = append(all, l.hmac(number))
	}
	for _, hash := range l.opts.Keys.Hashes(numberLabel, number) {
		if hash != number {
			all = append(all, hex.EncodeToString([]byte(hash)))
		}
	}
	return all
}

func (l *Log) hmac(number string) string {
	mac := hmac.New(sha256.New, l.opts.HashKey)
	_, _ = mac.Write([]byte(number)) // a hash never fails
	return hex.EncodeToString(mac.Sum(nil))
}

// rows are the columns of several rows of mms_log, in the order of the messages.
type rows struct {
	id, tenant, kind, recipient, sender, media, text, subject, metadata, reference, batch, priority,
	status, reasonCode, sinchCode, reasonMessage, api, sinchID, sentAs, operator []*string

	submitted, queued, sent, final, updated, redacted []*time.Time

	version  []int64
	attempts []int32
	record   [][]byte
}

// add appends the row of a message.
func (r *rows) add(l *Log, e Entry) {
	m := e.Message
	c := &m.Content
	r.id = append(r.id, new(string(m.ID)))
	r.submitted = append(r.submitted, moment(m.ID.Created()))
	r.tenant, r.kind = append(r.tenant, &m.Scope.Tenant), append(r.kind, new(kindOf(m.Scope)))
	r.version = append(r.version, e.Version)
	r.recipient, r.sender = append(r.recipient, new(l.number(c.To))), append(r.sender, &m.From)
	r.addContent(c, l.opts.Keys.On())
	r.reference, r.batch = append(r.reference, some(c.ClientReference)), append(r.batch, some(string(m.BatchID)))
	r.priority, r.status = append(r.priority, new(string(c.Priority))), append(r.status, new(string(m.Status)))
	reason := message.Reason{}
	if m.Reason != nil {
		reason = *m.Reason
	}
	r.reasonCode, r.sinchCode = append(r.reasonCode, some(string(reason.Code))), append(r.sinchCode, some(reason.SinchCode))
	r.reasonMessage = append(r.reasonMessage, some(reason.Message))
	r.attempts = append(r.attempts, int32(m.Attempts)) //nolint:gosec // far below its bounds
	api := ""
	if n := len(m.Calls); n > 0 {
		api = m.Calls[n-1].API
	}
	r.api, r.sinchID, r.sentAs = append(r.api, some(api)), append(r.sinchID, some(m.SinchID)), append(r.sentAs, some(m.SentAs))
	r.operator = append(r.operator, some(m.Operator))
	r.queued, r.sent, r.final = append(r.queued, moment(queuedAt(m))), append(r.sent, moment(m.SentAt)), append(r.final, moment(m.FinalAt))
	r.updated, r.redacted = append(r.updated, moment(m.UpdatedAt)), append(r.redacted, moment(m.RedactedAt))
	r.record = append(r.record, l.record(e))
}

// addContent appends the columns of the content. They are null when it is
// encrypted: the record has it.
func (r *rows) addContent(c *message.Content, encrypted bool) {
	var media, text, subject, metadata *string
	if !encrypted {
		media, text, subject = some(strings.Join(c.Media, " ")), some(c.Text), some(c.Subject)
		if pairs, err := json.Marshal(c.Metadata); err == nil && len(c.Metadata) > 0 {
			metadata = some(string(pairs))
		}
	}
	r.media, r.text = append(r.media, media), append(r.text, text)
	r.subject, r.metadata = append(r.subject, subject), append(r.metadata, metadata)
}

// record packs a message; with LOG_NUMBERS=hash its number is masked.
func (l *Log) record(e Entry) []byte {
	m := e.Message
	if l.opts.HashKey != nil {
		masked := *m
		masked.Content.To = message.Masked(m.Content.To)
		m = &masked
	}
	return l.opts.Records.Pack(m, e.Version)
}

// queuedAt is when a message first waited for an attempt; zero: never.
func queuedAt(m *message.Message) time.Time {
	for _, entry := range m.Timeline {
		if entry.Status == message.StatusQueued {
			return entry.At
		}
	}
	return time.Time{}
}

// some is nil for an empty text. PostgreSQL stores neither NUL nor invalid UTF-8,
// which answers of Sinch may contain.
func some(text string) *string {
	if text == "" {
		return nil
	}
	text = plain(text)
	return &text
}

func plain(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\uFFFD")
}

// moment is nil for a zero time.
func moment(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

// events are the columns of several rows of mms_log_event.
type events struct {
	id, status, detail []string
	submitted, at      []time.Time
	n                  []int32
	attempt            []*int32
}

// add appends the timeline of a message.
func (e *events) add(m *message.Message) {
	for i, entry := range m.Timeline {
		e.id, e.submitted = append(e.id, string(m.ID)), append(e.submitted, m.ID.Created())
		e.n, e.at = append(e.n, int32(m.EntryNumber(i))), append(e.at, entry.At) //nolint:gosec // far below its bounds
		e.status, e.detail = append(e.status, string(entry.Status)), append(e.detail, plain(entry.Detail))
		var attempt *int32
		if entry.Attempt > 0 {
			attempt = new(int32(entry.Attempt)) //nolint:gosec // far below its bounds
		}
		e.attempt = append(e.attempt, attempt)
	}
}
