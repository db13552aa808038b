package ledger

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"

	"mmsdispatch/internal/message"
)

// The timeline is one field, since it is most of what a record has beside its
// content: flags of what is implied, and then the entries. An entry is
//
//	head     place in events << 3, and flags
//	status   only with place 0: place in words, or 0, length and text
//	detail   only with place 0: likewise
//	time     since the entry before, the first one since the creation in the id; 0: none
//	attempt  with entryHasAttempt, else that of the entry before
//	phases   with entryHasPhases: length and phases
//	reason   with entryHasReason: length and fields; of all entries but the last,
//	         whose reason is the message's
//
// Numbers are varints; time and attempt are signed.
const (
	entryHasAttempt = 1 << iota
	entryHasPhases
	entryHasReason
)

// entryFlags is how many bits they take.
const entryFlags = 3

// Values of a message that are not written, since they follow from its id and its
// timeline.
const (
	impliedCreated uint64 = 1 << iota // the creation in the id
	impliedUpdated                    // the time of the last entry
	impliedSent                       // the time of the first entry with the state sent
	impliedFinal                      // the time of the entry that began the last state
	impliedStatus                     // the state of the last entry
)

// implied are the values that follow from id and timeline; times are in Unix
// milliseconds.
type implied struct {
	created, updated, sent, final int64
	status                        message.Status
}

func impliedBy(base int64, entries []message.Entry) implied {
	v := implied{created: base}
	for i := range entries {
		e := &entries[i]
		at := millis(e.At)
		if e.Status != v.status {
			v.final = at
		}
		if e.Status == message.StatusSent && v.sent == 0 {
			v.sent = at
		}
		v.updated, v.status = at, e.Status
	}
	return v
}

// flags are those of the values that a message has.
func (v implied) flags(m *message.Message) uint64 {
	var flags uint64
	for _, one := range [...]struct {
		flag      uint64
		has, want int64
	}{
		{impliedCreated, millis(m.CreatedAt), v.created},
		{impliedUpdated, millis(m.UpdatedAt), v.updated},
		{impliedSent, millis(m.SentAt), v.sent},
		{impliedFinal, millis(m.FinalAt), v.final},
	} {
		if one.has != 0 && one.has == one.want {
			flags |= one.flag
		}
	}
	if m.Status != "" && m.Status == v.status {
		flags |= impliedStatus
	}
	return flags
}

// set sets the values of the flags.
func (v implied) set(flags uint64, m *message.Message) {
	if flags&impliedCreated != 0 {
		m.CreatedAt = instant(v.created)
	}
	if flags&impliedUpdated != 0 {
		m.UpdatedAt = instant(v.updated)
	}
	if flags&impliedSent != 0 {
		m.SentAt = instant(v.sent)
	}
	if flags&impliedFinal != 0 {
		m.FinalAt = instant(v.final)
	}
	if flags&impliedStatus != 0 {
		m.Status = v.status
	}
}

// timeline writes the entries behind the flags of what is implied.
func (w *writer) timeline(entries []message.Entry, flags uint64) {
	if len(entries) == 0 && flags == 0 {
		return
	}
	w.nested(fieldTimeline, func(w *writer) {
		w.out = binary.AppendUvarint(w.out, flags)
		before := entryBefore{at: w.base}
		for i := range entries {
			w.entry(&entries[i], &before, i == len(entries)-1)
		}
	})
}

// entryBefore is what an entry is written against: the attempt of the entry before,
// and the last time, in Unix milliseconds.
type entryBefore struct {
	at      int64
	attempt int
}

func (w *writer) entry(e *message.Entry, before *entryBefore, last bool) {
	place := placeOfEvent[event{e.Status, e.Detail}]
	head := uint64(place) << entryFlags //nolint:gosec // not negative
	if e.Attempt != before.attempt {
		head |= entryHasAttempt
	}
	if e.Phases != nil {
		head |= entryHasPhases
	}
	if e.Reason != nil && !last {
		head |= entryHasReason
	}
	w.out = binary.AppendUvarint(w.out, head)
	if place == 0 {
		w.placed(string(e.Status))
		w.placed(e.Detail)
	}
	passed := int64(0)
	if !e.At.IsZero() {
		at := e.At.UnixMilli()
		passed, before.at = since(before.at, at), at
	}
	w.out = binary.AppendVarint(w.out, passed)
	if head&entryHasAttempt != 0 {
		w.out = binary.AppendVarint(w.out, int64(e.Attempt))
		before.attempt = e.Attempt
	}
	if head&entryHasPhases != 0 {
		var room [phasesLength]byte
		w.out = protowire.AppendBytes(w.out, appendPhases(room[:0], e.Phases))
	}
	if head&entryHasReason != 0 {
		w.sized(func(w *writer) { w.reason(e.Reason) })
	}
}

// placed writes a text by its place in words, or behind zero and its length.
func (w *writer) placed(text string) {
	place := placeOfWord[text]
	w.out = binary.AppendUvarint(w.out, uint64(place)) //nolint:gosec // not negative
	if place == 0 {
		w.out = protowire.AppendString(w.out, text)
	}
}

// entryReader reads the values of a timeline one after another.
type entryReader struct {
	rest    []byte
	damaged bool
	before  entryBefore
}

const (
	// entriesRoom bounds the entries for which there is room at once.
	entriesRoom = 64
	// entryLength is the length of most entries, at least.
	entryLength = 3
	// latestMillis bounds times, so that the differences of two are no overflow.
	latestMillis = 1 << 52
)

func readTimeline(raw []byte, m *message.Message, base int64) error {
	r := entryReader{rest: raw, before: entryBefore{at: base}}
	flags := r.uvarint()
	if m.Timeline == nil {
		m.Timeline = make([]message.Entry, 0, min(len(r.rest)/entryLength, entriesRoom))
	}
	for len(r.rest) > 0 && !r.damaged {
		m.Timeline = append(m.Timeline, message.Entry{})
		r.entry(&m.Timeline[len(m.Timeline)-1])
	}
	if r.damaged {
		return errRecord
	}
	impliedBy(base, m.Timeline).set(flags, m)
	return nil
}

func (r *entryReader) entry(e *message.Entry) {
	head := r.uvarint()
	if place := head >> entryFlags; place > 0 {
		known := eventAt(place)
		e.Status, e.Detail = known.status, known.detail
	} else {
		e.Status, e.Detail = message.Status(r.placed()), r.placed()
	}
	if passed := r.varint(); passed != 0 {
		at := sinceBase(r.before.at, passed)
		r.damaged = r.damaged || at < -latestMillis || at > latestMillis
		e.At, r.before.at = instant(at), at
	}
	if head&entryHasAttempt != 0 {
		r.before.attempt = int(r.varint())
	}
	e.Attempt = r.before.attempt
	if head&entryHasPhases != 0 {
		e.Phases = unpackPhases(r.bytes())
	}
	if head&entryHasReason != 0 {
		e.Reason = &message.Reason{}
		r.damaged = r.damaged || readReason(r.bytes(), e.Reason) != nil
	}
}

func (r *entryReader) uvarint() uint64 {
	value, n := binary.Uvarint(r.rest)
	r.skip(n)
	return value
}

func (r *entryReader) varint() int64 {
	value, n := binary.Varint(r.rest)
	r.skip(n)
	return value
}

// skip moves behind n bytes that were read; zero and less: there were none to read.
func (r *entryReader) skip(n int) {
	if n <= 0 {
		r.rest, r.damaged = nil, true
		return
	}
	r.rest = r.rest[n:]
}

// bytes reads what stands behind its length.
func (r *entryReader) bytes() []byte {
	value, n := protowire.ConsumeBytes(r.rest)
	r.skip(n)
	return value
}

// placed is the reverse of writer.placed.
func (r *entryReader) placed() string {
	if place := r.uvarint(); place > 0 {
		return wordAt(int64(place)) //nolint:gosec // a place that is too large is none
	}
	return string(r.bytes())
}
