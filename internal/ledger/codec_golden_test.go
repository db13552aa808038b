package ledger

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/message"
)

// goldenMessage has a value in every field of every version of the schema, and
// fixed identities.
func goldenMessage(tb testing.TB) *message.Message {
	tb.Helper()
	m := fullMessage()
	at := m.CreatedAt
	var identity [16]byte
	copy(identity[:], "golden identity.")
	m.ID, m.BatchID = message.NewID(identity, at), message.NewBatchID(identity, at)
	return m
}

// goldenHead is the head of the golden records.
func goldenHead() head { return head{version: 7, operation: "OPERATION1"} }

// Every release reads the records that earlier ones wrote. The file of a version
// holds a record in hexadecimal; since names the fields that came later.
func TestRecordsOfEarlierVersionsAreRead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file  string
		since func(m *message.Message)
	}{
		{"1.hex", func(m *message.Message) {
			before5(m)
			m.RedactedAt, m.Dropped, m.Timeline[0].Reason = time.Time{}, 0, nil
		}},
		{"2.hex", func(m *message.Message) { before5(m); m.RedactedAt = time.Time{} }},
		{"3.hex", func(m *message.Message) { before5(m); m.RedactedAt = time.Time{} }},
		{"4.hex", before5},
		{"5.hex", before6},
		{"6.hex", before7},
		{"7.hex", func(*message.Message) {}},
		{"8.hex", func(*message.Message) {}},
	} {
		record := goldenRecord(t, tt.file)
		want := goldenMessage(t)
		tt.since(want)
		got, err := codec{}.decode(record)
		if err != nil || got.head != goldenHead() {
			t.Fatalf("%s: %+v, %v", tt.file, got.head, err)
		}
		if diff := cmp.Diff(want, got.message); diff != "" {
			t.Errorf("%s: %s", tt.file, diff)
		}
	}
}

// before5 takes out the fields that came with version 5.
func before5(m *message.Message) {
	before6(m)
	m.HeldUntil, m.Pace, m.Content.QuietHours = time.Time{}, 0, ""
}

// before6 takes out the fields that came with version 6.
func before6(m *message.Message) {
	before7(m)
	m.Operator, m.Timeline[1].Phases = "", nil
}

// before7 takes out the field that came with version 7.
func before7(m *message.Message) { m.Trace = "" }

// newestGolden is the file of the schema as it is.
const newestGolden = "8.hex"

// deliveredGolden is the record of a delivered message in the schema as it is: its
// texts, Sinch's id and the accepted call are packed.
const deliveredGolden = "delivered-8.hex"

// The newest golden record is what this release writes: a field that is added or
// numbered again needs a new version with a record of its own.
func TestNewestGoldenRecordIsWhatIsWritten(t *testing.T) {
	t.Parallel()
	for file, m := range map[string]*message.Message{newestGolden: goldenMessage(t), deliveredGolden: goldenDelivered(t)} {
		written := encode(goldenHead(), m, sealed{})
		if !bytes.Equal(written, goldenRecord(t, file)) {
			t.Errorf("a record of the schema as it is, for a new file %s:\n%s", file, hex.EncodeToString(written))
		}
	}
}

// The record of a delivered message is read by every later release.
func TestGoldenDeliveredRecordIsRead(t *testing.T) {
	t.Parallel()
	got, err := codec{}.decode(goldenRecord(t, deliveredGolden))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(goldenDelivered(t), got.message); diff != "" {
		t.Error(diff)
	}
}

// goldenDelivered is deliveredMessage with fixed identities.
func goldenDelivered(tb testing.TB) *message.Message {
	tb.Helper()
	m, fixed := deliveredMessage(tb), goldenMessage(tb)
	m.ID, m.BatchID = fixed.ID, fixed.BatchID
	return m
}

// The golden message has no empty field, so that the test covers all of them.
func TestGoldenMessageHasEveryField(t *testing.T) {
	t.Parallel()
	m := goldenMessage(t)
	for _, v := range []any{*m, m.Scope, m.Content, *m.Reason, m.Calls[1], m.Timeline[1], *m.Timeline[1].Phases} {
		fields := reflect.ValueOf(v)
		for i := range fields.NumField() {
			if fields.Field(i).IsZero() {
				t.Errorf("%s.%s is empty", fields.Type(), fields.Type().Field(i).Name)
			}
		}
	}
}

func goldenRecord(tb testing.TB, file string) []byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "records", file))
	if err != nil {
		tb.Fatal(err)
	}
	record, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		tb.Fatalf("%s: %v", file, err)
	}
	return record
}

// Times are kept in whole milliseconds, as Redis counts them.
func TestRecordKeepsMilliseconds(t *testing.T) {
	t.Parallel()
	m := goldenMessage(t)
	m.NextAt = m.NextAt.Add(999 * time.Microsecond)
	got, err := codec{}.decode(encode(head{}, m, sealed{}))
	if err != nil || !got.message.NextAt.Equal(m.NextAt.Truncate(time.Millisecond)) {
		t.Errorf("%v, %v", got.message, err)
	}
}
