package ledger

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/message"
)

// A record is "<version>:<operation>:<message>". The scripts read only the
// head: the version for compare-and-set, the operation to recognise their own write
// when a lost reply made the client repeat it. The message is in the wire
// format of Protocol Buffers, so that fields can be added; the numbers below
// are its schema: a number is never changed and never used again. Times are in
// Unix milliseconds. Empty fields are omitted, since a million records wait in
// memory, and so are values that follow from others. What is private in the content
// is encrypted where there are keys, and then stands in fieldSealed instead of
// fieldContent. testdata/records holds a record of each version of the schema, which
// every later release must read.

// errRecord is returned for a record that this release cannot read.
var errRecord = errors.New("unreadable record")

// The fields of a message.
const (
	fieldID        protowire.Number = 1
	fieldTenant    protowire.Number = 2
	fieldTest      protowire.Number = 3
	fieldContent   protowire.Number = 4
	fieldFrom      protowire.Number = 5
	fieldBatchID   protowire.Number = 6
	fieldShard     protowire.Number = 7
	fieldStatus    protowire.Number = 8
	fieldReason    protowire.Number = 9
	fieldAttempts  protowire.Number = 10
	fieldTries     protowire.Number = 11
	fieldDelays    protowire.Number = 12
	fieldCall      protowire.Number = 13
	fieldSinchID   protowire.Number = 14
	fieldSentAs    protowire.Number = 15
	fieldTask      protowire.Number = 16
	fieldReplayed  protowire.Number = 17
	fieldNextAt    protowire.Number = 18
	fieldExpiresAt protowire.Number = 19
	fieldCreatedAt protowire.Number = 20
	fieldUpdatedAt protowire.Number = 21
	fieldSentAt    protowire.Number = 22
	fieldFinalAt   protowire.Number = 23
	fieldEntry     protowire.Number = 24
	fieldReplays   protowire.Number = 25
	fieldDeferrals protowire.Number = 26
	fieldShared    protowire.Number = 27
	fieldGroup     protowire.Number = 28
	fieldDropped   protowire.Number = 29

	// As the fields of the same names above, in fewer bytes: those of words hold their
	// places in the table, those since a time what has passed since the creation in the
	// id, and those of a number its digits.
	fieldStatusWord   protowire.Number = 30
	fieldSentAsWord   protowire.Number = 31
	fieldFromNumber   protowire.Number = 32
	fieldNextSince    protowire.Number = 33
	fieldExpiresSince protowire.Number = 34
	fieldCreatedSince protowire.Number = 35
	fieldUpdatedSince protowire.Number = 36
	fieldSentSince    protowire.Number = 37
	fieldFinalSince   protowire.Number = 38

	fieldSealed        protowire.Number = 40 // what is private in the content, encrypted
	fieldNumber        protowire.Number = 41 // keyed hash of the recipient, beside fieldSealed
	fieldRedactedSince protowire.Number = 42
	fieldHeldSince     protowire.Number = 43
	fieldPace          protowire.Number = 44
	fieldOperator      protowire.Number = 45
	fieldOperatorID    protowire.Number = 46 // as fieldOperator, by its digits
	fieldTrace         protowire.Number = 47

	fieldSinchIDURL    protowire.Number = 48 // as fieldSinchID, of base64url without padding
	fieldSinchIDBase64 protowire.Number = 49 // as fieldSinchID, of base64
	fieldSinchIDULID   protowire.Number = 50 // as fieldSinchID
	fieldAcceptedCall  protowire.Number = 51 // the API of an accepted call: the last attempt, with Sinch's id of the message
	fieldTimeline      protowire.Number = 52 // all entries; see codec_timeline.go
)

// The fields of a content.
const (
	contentTo           protowire.Number = 1
	contentFrom         protowire.Number = 2
	contentSubject      protowire.Number = 3
	contentText         protowire.Number = 4
	contentMedia        protowire.Number = 5
	contentReference    protowire.Number = 6
	contentPriority     protowire.Number = 7
	contentSendAt       protowire.Number = 8
	contentExpiresAt    protowire.Number = 9
	contentFallbackText protowire.Number = 10
	contentCallbackURL  protowire.Number = 11
	contentKey          protowire.Number = 12 // of the metadata, each followed by its value
	contentValue        protowire.Number = 13
	contentToNumber     protowire.Number = 14
	contentPriorityWord protowire.Number = 15
	contentCompressed   protowire.Number = 16 // the fields of a large content of a final message, but for the recipient
	contentQuietHours   protowire.Number = 17

	// contentHuffman is added to the number of a text that is Huffman-coded.
	contentHuffman protowire.Number = 32
)

// The fields of a reason.
const (
	reasonCode      protowire.Number = 1
	reasonMessage   protowire.Number = 2
	reasonSinchCode protowire.Number = 3
)

// The fields of a call.
const (
	callN        protowire.Number = 1
	callState    protowire.Number = 2
	callWorker   protowire.Number = 3
	callAPI      protowire.Number = 4
	callBaseURL  protowire.Number = 5
	callAccount  protowire.Number = 6
	callBegun    protowire.Number = 7
	callDeadline protowire.Number = 8
	callSinchID  protowire.Number = 9
	callLookups  protowire.Number = 10
	callLookupAt protowire.Number = 11
	callShared   protowire.Number = 12

	callStateWord     protowire.Number = 13
	callAPIWord       protowire.Number = 14
	callBegunSince    protowire.Number = 15
	callDeadlineSince protowire.Number = 16
	callLookupSince   protowire.Number = 17
	callShown         protowire.Number = 18 // 1: its id of Sinch is that of the message
)

// The fields of a line of the timeline, as it was written before fieldTimeline.
const (
	entryAt      protowire.Number = 1
	entryStatus  protowire.Number = 2
	entryDetail  protowire.Number = 3
	entryAttempt protowire.Number = 4
	entryReason  protowire.Number = 5 // of all entries but the last, whose reason is the message's

	entrySince      protowire.Number = 6
	entryStatusWord protowire.Number = 7
	entryDetailWord protowire.Number = 8
	entryPhases     protowire.Number = 9
)

// head is the part of a record that the scripts read.
type head struct {
	version   int64
	operation string
}

// operationChars is the length of an operation's name.
const operationChars = 10

// newOperation names one write.
func newOperation() string { return rand.Text()[:operationChars] }

// recordRoom is the size that most records do not exceed, in bytes.
const recordRoom = 400

// codec packs messages into records, encrypted where there are keys.
type codec struct{ keys *encryption.Keys }

// sealed is the private part of a content as a record has it. It is written again
// as it is for as long as the content stays the same.
type sealed struct{ content, number []byte }

// numberLabel is of the hashes of recipients.
const numberLabel = "number"

// seal encrypts what is private in the content of a message, and hashes its
// recipient.
func (c codec) seal(m *message.Message) sealed {
	if !c.keys.On() {
		return sealed{}
	}
	w := writer{huffman: formOf(m) == formHuffman}
	w.private(m)
	s := sealed{content: c.keys.Seal(w.out, []byte(m.ID))}
	if m.Content.To != "" && !message.IsMasked(m.Content.To) {
		s.number = []byte(c.keys.Hash(numberLabel, m.Content.To))
	}
	return s
}

// group is a group's name that gives nothing away of what its messages say, also
// to a guess.
func (c codec) group(name string) string {
	if name == "" {
		return ""
	}
	return c.keys.Name("group", name)
}

// digestLabel is of the digests of batches.
const digestLabel = "digest"

// digest is the digest of a batch's content as it is kept: a batch may be a
// single message, whose content could be guessed.
func (c codec) digest(content string) string {
	if content == "" {
		return ""
	}
	return c.keys.Hash(digestLabel, content)
}

// isDigest reports whether a kept digest is that of a content.
func (c codec) isDigest(kept, content string) bool {
	return kept == content || content != "" && slices.Contains(c.keys.Hashes(digestLabel, content), kept)
}

// encode packs a message into a record; s is of its content.
func encode(h head, m *message.Message, s sealed) []byte {
	out := make([]byte, 0, recordRoom+len(s.content))
	out = strconv.AppendInt(out, h.version, 10)
	out = append(out, ':')
	out = append(out, h.operation...)
	out = append(out, ':')
	w := writer{out: out}
	w.message(m, s)
	return w.out
}

// record is a record taken apart.
type record struct {
	head

	message *message.Message
	sealed  sealed
}

// decode unpacks a record. With encryption.ErrKeyMissing the message is there
// without what is private in its content.
func (c codec) decode(raw []byte) (record, error) {
	version, rest, found := bytes.Cut(raw, []byte(":"))
	operation, body, ok := bytes.Cut(rest, []byte(":"))
	n, err := strconv.ParseInt(string(version), 10, 64)
	if !found || !ok || err != nil {
		return record{}, errRecord
	}
	r := record{head: head{version: n, operation: string(operation)}, message: &message.Message{}}
	m := r.message
	if err := readMessage(body, m, &r.sealed); err != nil {
		return record{}, err
	}
	if m.ID == "" {
		return record{}, errRecord
	}
	if last := len(m.Timeline) - 1; last >= 0 {
		m.Timeline[last].Reason = m.Reason
	}
	if r.sealed.content == nil {
		return r, nil
	}
	private, err := c.keys.Open(r.sealed.content, []byte(m.ID))
	if err != nil {
		return r, fmt.Errorf("message %s: %w", m.ID, err)
	}
	return r, readContent(private, &m.Content)
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
