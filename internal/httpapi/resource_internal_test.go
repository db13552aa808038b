package httpapi

import (
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

func TestShownMessages(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 1, 11, 0, 0, 5_600_000, time.FixedZone("", 3600))
	for name, tc := range map[string]struct {
		message message.Message
		want    string
	}{
		"nothing": {message.Message{}, `{"id":null,"clientReference":null,"to":"","from":"","subject":null,"text":null,"media":[],` +
			`"priority":"","status":"","reason":null,"attempts":0,"sinchId":null,"sentAs":null,"batchId":null,"fallbackText":null,` +
			`"callbackUrl":null,"createdAt":null,"updatedAt":null,"sendAt":null,"expiresAt":null,"sentAt":null,"finalAt":null,` +
			`"timeline":[],"metadata":{}}`},
		"everything": {message.Message{
			ID: "msg_1", BatchID: "bat_1", From: "+12065550000", Status: message.StatusFailed, Counters: message.Counters{Attempts: 12}, SinchID: "s", SentAs: "SMS",
			Content: message.Content{
				To: "+12065551212", Subject: `"quoted"`, Text: "line\nä <b> \\ 🙂", Media: []string{"https://a/", "https://b/"},
				ClientReference: "order-1", Priority: message.High, FallbackText: "f", CallbackURL: "https://c/", SendAt: at,
				Metadata: map[string]string{"b": "", `a"`: "1", "c": "2"},
			},
			Reason:    &message.Reason{Code: message.ReasonMedia, SinchCode: "E351"},
			CreatedAt: at, UpdatedAt: at, ExpiresAt: at, SentAt: at, FinalAt: at,
			Timeline: []message.Entry{{At: at, Status: message.StatusQueued, Detail: "accepted"}, {At: at, Status: "x", Detail: "y", Attempt: 3}},
		}, `{"id":"msg_1","clientReference":"order-1","to":"+12065551212","from":"+12065550000","subject":"\"quoted\"",` +
			`"text":"line\nä <b> \\ 🙂","media":["https://a/","https://b/"],"priority":"high","status":"failed",` +
			`"reason":{"code":"media","message":"","sinchCode":"E351"},"attempts":12,"sinchId":"s","sentAs":"SMS","batchId":"bat_1",` +
			`"fallbackText":"f","callbackUrl":"https://c/","createdAt":"2026-11-01T10:00:00.005Z","updatedAt":"2026-11-01T10:00:00.005Z",` +
			`"sendAt":"2026-11-01T10:00:00.005Z","expiresAt":"2026-11-01T10:00:00.005Z","sentAt":"2026-11-01T10:00:00.005Z",` +
			`"finalAt":"2026-11-01T10:00:00.005Z","timeline":[{"at":"2026-11-01T10:00:00.005Z","status":"queued","detail":"accepted",` +
			`"attempt":null},{"at":"2026-11-01T10:00:00.005Z","status":"x","detail":"y","attempt":3}],"metadata":{"a\"":"1","b":"","c":"2"}}`},
	} {
		if got := string(showMessage(&tc.message)); got != tc.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, tc.want)
		}
		if got, err := json.Marshal([]resource{{&tc.message}, {&tc.message}}); err != nil || string(got) != "["+tc.want+","+tc.want+"]" {
			t.Errorf("%s in a list: %s, %v", name, got, err)
		}
	}
}

// TestRateOfABatch: what waits, or ended without a call, was not sent in the time.
func TestRateOfABatch(t *testing.T) {
	t.Parallel()
	begun := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	running := map[message.Status]int64{message.StatusSent: 20, message.StatusQueued: 70, message.StatusExpired: 10}
	for name, tt := range map[string]struct {
		batch ledger.Batch
		rate  float64 // negative: null
		eta   int64   // the same
	}{
		"not begun":         {ledger.Batch{Counts: running, Total: 100}, -1, -1},
		"no answer yet":     {ledger.Batch{Counts: running, Total: 100, BegunAt: begun}, -1, -1},
		"running":           {ledger.Batch{Counts: running, Total: 100, BegunAt: begun, AnsweredAt: begun.Add(10 * time.Second)}, 2, 35},
		"done, in a second": {ledger.Batch{Total: 50, BegunAt: begun, AnsweredAt: begun.Add(time.Second)}, 50, 0},
	} {
		shown := showBatch(tt.batch)
		if rate := shown.RatePerSecond; (rate == nil) != (tt.rate < 0) || rate != nil && *rate != tt.rate {
			t.Errorf("%s: rate %v, want %v", name, rate, tt.rate)
		}
		if eta := shown.ETASeconds; (eta == nil) != (tt.eta < 0) || eta != nil && *eta != tt.eta {
			t.Errorf("%s: eta %v, want %v", name, eta, tt.eta)
		}
	}
}
