package ledger

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"mmsdispatch/internal/message"
)

// A record is "<version>:<operation>:<message>". The scripts read only the
// head: the version for compare-and-set, the operation to know their own write
// again when a lost reply made the client repeat it. The message is in the wire
// format of Protocol Buffers, so that fields can be added; the numbers below
// are its schema. Times are in Unix milliseconds. What is empty is left out,
// since a million records wait in memory.

// errRecord is returned for a record that this release cannot read.
var errRecord = errors.New("unreadable record")

// The fields of a message.
const (
	fieldID protowire.Number = iota + 1
	fieldTenant
	fieldTest
	fieldContent
	fieldFrom
	fieldBatchID
	fieldShard
	fieldStatus
	fieldReason
	fieldAttempts
	fieldTries
	fieldDelays
	fieldCall
	fieldSinchID
	fieldSentAs
	fieldTask
	fieldReplayed
	fieldNextAt
	fieldExpiresAt
	fieldCreatedAt
	fieldUpdatedAt
	fieldSentAt
	fieldFinalAt
	fieldEntry
	fieldReplays
	fieldPutOffs
	fieldShared
	fieldGroup
)

// The fields of a content.
const (
	contentTo protowire.Number = iota + 1
	contentFrom
	contentSubject
	contentText
	contentMedia
	contentReference
	contentPriority
	contentSendAt
	contentExpiresAt
	contentFallbackText
	contentCallbackURL
	contentKey // of the metadata, each followed by its value
	contentValue
)

// The fields of a reason.
const (
	reasonCode protowire.Number = iota + 1
	reasonMessage
	reasonSinchCode
)

// The fields of a call.
const (
	callN protowire.Number = iota + 1
	callState
	callWorker
	callAPI
	callBaseURL
	callAccount
	callBegun
	callDeadline
	callSinchID
	callLooks
	callLookedAt
	callShared
)

// The fields of a line of the timeline.
const (
	entryAt protowire.Number = iota + 1
	entryStatus
	entryDetail
	entryAttempt
)

// head is what the scripts read of a record.
type head struct {
	version   int64
	operation string
}

// operationChars is the length of an operation's name.
const operationChars = 10

// newOperation names one write.
func newOperation() string { return rand.Text()[:operationChars] }

// recordRoom is what most records need, in bytes.
const recordRoom = 640

// encode packs a message into a record.
func encode(h head, m *message.Message) []byte {
	out := make([]byte, 0, recordRoom)
	out = strconv.AppendInt(out, h.version, 10)
	out = append(out, ':')
	out = append(out, h.operation...)
	out = append(out, ':')
	w := writer{out}
	w.message(m)
	return w.out
}

// decode unpacks a record.
func decode(record []byte) (head, *message.Message, error) {
	version, rest, found := bytes.Cut(record, []byte(":"))
	operation, body, ok := bytes.Cut(rest, []byte(":"))
	n, err := strconv.ParseInt(string(version), 10, 64)
	if !found || !ok || err != nil {
		return head{}, nil, errRecord
	}
	m := &message.Message{}
	if err := readMessage(body, m); err != nil {
		return head{}, nil, err
	}
	if m.ID == "" {
		return head{}, nil, errRecord
	}
	return head{version: n, operation: string(operation)}, m, nil
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
