package ledger

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mmsdispatch/internal/message"
)

// fullMessage has something in every field.
func fullMessage() *message.Message {
	at := time.UnixMilli(1_772_366_400_123).UTC()
	id := message.NewID(message.RandomIdentity(), at)
	return &message.Message{
		ID: id, Scope: message.Scope{Tenant: "acme", Test: true}, From: "+12065550100",
		BatchID: message.NewBatchID(message.RandomIdentity(), at), Group: "group1", Shard: 3, Shared: true,
		Content: message.Content{
			To: "+12065551212", From: "28444", Subject: "s", Text: "ü: 1", Media: []string{"https://e.com/a", "https://e.com/b"},
			ClientReference: "order-1", Priority: message.Bulk, SendAt: at, ExpiresAt: at.Add(time.Hour), FallbackText: "f",
			CallbackURL: "https://e.com/c", Metadata: map[string]string{"a": "", "b": "c"}, QuietHours: message.QuietRespect,
		},
		Status: message.StatusUnknown, Reason: &message.Reason{Code: "carrier", Message: "m", SinchCode: "E102"},
		Counters: message.Counters{Attempts: 2, Tries: 1, Delays: 4, Deferrals: 3, Task: 5, Replays: 6, Replayed: 1, Dropped: 9},
		SinchID:  "T", SentAs: "SMS", Operator: "31003",
		Calls: []message.Attempt{
			{N: 1},
			{
				N: 2, State: "open", Worker: "w", API: "mms", BaseURL: "https://e.com", Account: "a", Call: "call_1", Begun: at, Deadline: at.Add(time.Second),
				SinchID: "T", Lookups: 3, LookupAt: at,
			},
		},
		NextAt: at, ExpiresAt: at, CreatedAt: at, UpdatedAt: at, SentAt: at, FinalAt: at, RedactedAt: at, HeldUntil: at,
		Pace: 830_000, Trace: "0123456789abcdefGHIJKLMN",
		Timeline: []message.Entry{
			{At: at, Status: message.StatusQueued, Reason: &message.Reason{Code: "throttled", Message: "t"}},
			{
				At: at, Status: message.StatusSent, Detail: "d", Attempt: 2, Reason: &message.Reason{Code: "carrier", Message: "m", SinchCode: "E102"},
				Phases: &message.Phases{
					Reused: true, Answered: true, FirstByte: 140 * time.Millisecond, DNS: time.Millisecond, Connect: 2 * time.Second, TLS: 3 * time.Millisecond,
				},
			},
		},
	}
}

// FuzzRecord: any bytes are either no record or a message that is the same
// after it was written and read again.
func FuzzRecord(f *testing.F) {
	full := encode(head{version: 7, operation: "OPERATION1"}, fullMessage(), sealed{})
	f.Add(full)
	f.Add(full[:len(full)-3])
	f.Add(encode(head{version: 5, operation: "OPERATION1"}, deliveredMessage(f), sealed{}))
	f.Add(encode(head{}, &message.Message{ID: fullMessage().ID}, sealed{}))
	f.Add([]byte("1:x"))
	f.Add([]byte("-1::\x0a\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, record []byte) {
		r, err := codec{}.decode(record)
		if err != nil {
			return
		}
		withoutEmpty(&r.message.Content)
		again, err := codec{}.decode(encode(r.head, r.message, sealed{}))
		if err != nil || again.head != r.head {
			t.Fatalf("%+v became %+v, %v", r.head, again.head, err)
		}
		if diff := cmp.Diff(r.message, again.message, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}

// withoutEmpty removes empty media URLs and empty keys of the metadata: no accepted
// content has them, and records do not keep them.
func withoutEmpty(c *message.Content) {
	c.Media = slices.DeleteFunc(c.Media, func(url string) bool { return url == "" })
	delete(c.Metadata, "")
}

// Every field of a message is kept.
func TestRecordKeepsEverything(t *testing.T) {
	t.Parallel()
	want := fullMessage()
	got, err := codec{}.decode(encode(head{version: 7, operation: "OPERATION1"}, want, sealed{}))
	if err != nil || got.head != (head{version: 7, operation: "OPERATION1"}) {
		t.Fatalf("%+v, %v", got.head, err)
	}
	if diff := cmp.Diff(want, got.message); diff != "" {
		t.Error(diff)
	}
}
