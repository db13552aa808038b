package ledger

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"mmsdispatch/internal/message"
)

// Whatever a message consists of, its record is read as it was written, in any form
// of the texts and with encryption.
func TestAnyRecordIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	codecs := map[string]codec{"plain": {}, "encrypted": {newKeys(t, "k1")}}
	rapid.Check(t, func(t *rapid.T) {
		want := anyMessage(t)
		for name, c := range codecs {
			raw := encode(goldenHead(), want, c.seal(want))
			got, err := c.decode(raw)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if diff := cmp.Diff(want, got.message, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%s: %s", name, diff)
			}
			if again := encode(goldenHead(), got.message, got.sealed); !bytes.Equal(again, raw) {
				t.Fatalf("%s: %x became %x", name, raw, again)
			}
		}
	})
}

// anyMessage draws a message whose values need not fit one another.
func anyMessage(t *rapid.T) *message.Message {
	created := time.UnixMilli(rapid.Int64Range(1_600_000_000_000, 2_100_000_000_000).Draw(t, "created")).UTC()
	at := anyTime(created)
	m := &message.Message{
		ID:      message.NewID(message.RandomIdentity(), created),
		Scope:   message.Scope{Tenant: "acme"},
		Content: anyContent(t),
		Status:  anyStatus().Draw(t, "status"),
		SinchID: anySinchID().Draw(t, "id"), SentAs: rapid.SampledFrom([]string{"", "MMS", "RCS"}).Draw(t, "sent as"),
		Counters:  message.Counters{Attempts: rapid.IntRange(0, 3).Draw(t, "attempts"), Replayed: rapid.IntRange(0, 2).Draw(t, "replayed")},
		CreatedAt: rapid.OneOf(rapid.Just(created), at).Draw(t, "created at"),
		NextAt:    at.Draw(t, "next"),
	}
	m.Timeline = rapid.SliceOfN(anyEntry(at), 0, 8).Draw(t, "timeline")
	within := []time.Time{{}}
	for _, e := range m.Timeline {
		within = append(within, e.At)
	}
	known := rapid.OneOf(rapid.SampledFrom(within), at)
	m.UpdatedAt, m.SentAt, m.FinalAt = known.Draw(t, "updated"), known.Draw(t, "sent"), known.Draw(t, "final")
	if last := len(m.Timeline) - 1; last >= 0 {
		m.Reason = m.Timeline[last].Reason // as message.Message keeps it
		m.Status = rapid.SampledFrom([]message.Status{m.Status, m.Timeline[last].Status}).Draw(t, "last status")
	}
	for range rapid.IntRange(0, 2).Draw(t, "calls") {
		m.Calls = append(m.Calls, anyCall(t, m, at))
	}
	return m
}

// anyTime draws none, or one around another, also before it.
func anyTime(around time.Time) *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.IntRange(0, 4).Draw(t, "none") == 0 {
			return time.Time{}
		}
		return around.Add(time.Duration(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "ms")) * time.Millisecond)
	})
}

func anyStatus() *rapid.Generator[message.Status] { return rapid.SampledFrom(message.Statuses()) }

// anySinchID draws ids of all forms, and texts that nearly have one.
func anySinchID() *rapid.Generator[string] {
	raw := rapid.SliceOfN(rapid.Byte(), 0, 60)
	return rapid.OneOf(
		rapid.Just(""),
		rapid.Map(raw, base64.RawURLEncoding.EncodeToString),
		rapid.Map(raw, base64.StdEncoding.EncodeToString),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16), func(b []byte) string { return ulid.ULID(b).String() }),
		rapid.StringMatching(`[0-9A-Za-z_=\n-]{1,30}`),
	)
}

func anyContent(t *rapid.T) message.Content {
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z ]{0,80}`),
		rapid.Map(rapid.StringMatching(`[a-z ]{20}`), func(s string) string { return strings.Repeat(s, 60) }))
	return message.Content{
		To: "+12065551212", Subject: text.Draw(t, "subject"), Text: text.Draw(t, "text"), FallbackText: text.Draw(t, "fallback"),
		Media:    rapid.SliceOfN(rapid.StringMatching(`https://[a-z.]{3,9}/[a-z0-9/]{1,30}`), 0, 3).Draw(t, "media"),
		Metadata: rapid.MapOfN(rapid.StringMatching(`[a-z]{1,8}`), text, 0, 3).Draw(t, "metadata"),
		Priority: message.Normal, ClientReference: text.Draw(t, "reference"),
	}
}

func anyCall(t *rapid.T, m *message.Message, at *rapid.Generator[time.Time]) message.Attempt {
	a := acceptedCall(m, rapid.SampledFrom([]string{"", "mms", "batches", "other"}).Draw(t, "API"))
	switch rapid.IntRange(0, 4).Draw(t, "difference") {
	case 0:
		a.N++
	case 1:
		a.SinchID = anySinchID().Draw(t, "own id")
	case 2:
		a.State, a.Worker, a.Begun, a.Deadline, a.Lookups = message.AttemptUnknown, "w", at.Draw(t, "begun"), at.Draw(t, "deadline"), 2
	case 3:
		a.Call = "call_1"
	default:
	}
	return a
}

func anyEntry(at *rapid.Generator[time.Time]) *rapid.Generator[message.Entry] {
	return rapid.Custom(func(t *rapid.T) message.Entry {
		known := rapid.SampledFrom(events).Draw(t, "event")
		e := message.Entry{At: at.Draw(t, "at"), Status: known.status, Detail: known.detail, Attempt: rapid.IntRange(0, 3).Draw(t, "attempt")}
		if rapid.Bool().Draw(t, "other state") {
			e.Status = anyStatus().Draw(t, "status")
		}
		if rapid.IntRange(0, 3).Draw(t, "other text") == 0 {
			e.Detail = rapid.OneOf(rapid.SampledFrom(words), rapid.String()).Draw(t, "detail")
		}
		if rapid.Bool().Draw(t, "has reason") {
			e.Reason = &message.Reason{Code: message.ReasonCarrier, SinchCode: rapid.StringMatching(`[A-Z0-9]{0,4}`).Draw(t, "code")}
		}
		if rapid.Bool().Draw(t, "has phases") {
			e.Phases = &message.Phases{
				Reused: rapid.Bool().Draw(t, "reused"), FirstByte: time.Duration(rapid.IntRange(0, 1e6).Draw(t, "first byte")) * time.Millisecond,
				TLS: time.Duration(rapid.IntRange(0, 1e3).Draw(t, "tls")) * time.Millisecond,
			}
		}
		return e
	})
}

// Each form of Sinch's ids is kept as its bytes, and returned as it came.
func TestSinchIDsArePacked(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]struct {
		field protowire.Number
		bytes int
	}{
		"":                             {0, 0},
		"01FC66621XXXXX119Z8PMV1QPQ":   {fieldSinchIDULID, 16},
		"bWVzc2FnZS1pZC1vZi1zaW5jaC0x": {fieldSinchIDURL, 21},
		"MlVLMTIzNDU2Nzg5MDEyMzQ1Njc_": {fieldSinchIDURL, 21},
		"TU1TXzU5Nzg3OQ==":             {fieldSinchIDBase64, 10},
		"TU1TXzU5Nzg3OR==":             {fieldSinchID, 16}, // another text has the same bytes
		"01fc66621xxxxx119z8pmv1qpq":   {fieldSinchID, 26},
		"81FC66621XXXXX119Z8PMV1QPQ":   {fieldSinchIDURL, 19}, // beyond 128 bits
		"TU1TXzU5Nzg3\nOQ":             {fieldSinchID, 15},
		"abc":                          {fieldSinchID, 3},
		strings.Repeat("abcd", 20):     {fieldSinchID, 80},
	} {
		var w writer
		w.sinchID(id)
		field, _, tag := protowire.ConsumeTag(w.out)
		if id == "" {
			if len(w.out) > 0 {
				t.Errorf("%x for nothing", w.out)
			}
			continue
		}
		packed, _ := protowire.ConsumeBytes(w.out[tag:])
		if field != want.field || len(packed) != want.bytes {
			t.Errorf("%q: %d bytes in field %d", id, len(packed), field)
		}
		var m message.Message
		if err := readMessage(w.out, &m, &sealed{}); err != nil || m.SinchID != id {
			t.Errorf("%q was read as %q, %v", id, m.SinchID, err)
		}
	}
}

// Redis allocates in steps, of which 320 bytes is one. Beside a value it has eight.
func TestDeliveredRecordTakesFewBytes(t *testing.T) {
	t.Parallel()
	const most = 320 - 8
	if n := len(encode(goldenHead(), deliveredMessage(t), sealed{})); n > most {
		t.Errorf("%d bytes", n)
	} else {
		t.Logf("%d bytes", n)
	}
}
