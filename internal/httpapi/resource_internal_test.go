package httpapi

import (
	"testing"
	"time"

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
		"nothing": {message.Message{}, `{"id":null,"clientReference":null,"to":null,"from":"","subject":null,"text":null,"media":null,` +
			`"priority":"","status":"","reason":null,"attempts":0,"sinchId":null,"sentAs":null,"batchId":null,"fallbackText":null,` +
			`"callbackUrl":null,"createdAt":null,"updatedAt":null,"sendAt":null,"heldUntil":null,"expiresAt":null,"sentAt":null,"finalAt":null,` +
			`"timeline":[],"metadata":null,"redactedAt":null}`},
		"everything": {message.Message{
			ID: "msg_1", BatchID: "bat_1", From: "+12065550000", Status: message.StatusFailed, Counters: message.Counters{Attempts: 12}, SinchID: "s", SentAs: "SMS",
			Content: message.Content{
				To: "+12065551212", Subject: `"quoted"`, Text: "line\nä <b> \\ 🙂", Media: []string{"https://a/", "https://b/"},
				ClientReference: "order-1", Priority: message.High, FallbackText: "f", CallbackURL: "https://c/", SendAt: at,
				Metadata: map[string]string{"b": "", `a"`: "1", "c": "2"},
			},
			Reason:    &message.Reason{Code: message.ReasonMedia, SinchCode: "E351"},
			CreatedAt: at, UpdatedAt: at, ExpiresAt: at, HeldUntil: at, SentAt: at, FinalAt: at,
			Timeline: []message.Entry{{At: at, Status: message.StatusQueued, Detail: "accepted"}, {At: at, Status: "x", Detail: "y", Attempt: 3}},
		}, `{"id":"msg_1","clientReference":"order-1","to":"+12065551212","from":"+12065550000","subject":"\"quoted\"",` +
			`"text":"line\nä <b> \\ 🙂","media":["https://a/","https://b/"],"priority":"high","status":"failed",` +
			`"reason":{"code":"media","message":"","sinchCode":"E351"},"attempts":12,"sinchId":"s","sentAs":"SMS","batchId":"bat_1",` +
			`"fallbackText":"f","callbackUrl":"https://c/","createdAt":"2026-11-01T10:00:00.005Z","updatedAt":"2026-11-01T10:00:00.005Z",` +
			`"sendAt":"2026-11-01T10:00:00.005Z","heldUntil":"2026-11-01T10:00:00.005Z","expiresAt":"2026-11-01T10:00:00.005Z","sentAt":"2026-11-01T10:00:00.005Z",` +
			`"finalAt":"2026-11-01T10:00:00.005Z","timeline":[{"at":"2026-11-01T10:00:00.005Z","status":"queued","detail":"accepted",` +
			`"attempt":null},{"at":"2026-11-01T10:00:00.005Z","status":"x","detail":"y","attempt":3}],"metadata":{"a\"":"1","b":"","c":"2"},` +
			`"redactedAt":null}`},
		"redacted": {message.Message{Content: message.Content{To: "+1…12"}, RedactedAt: at}, `{"id":null,"clientReference":null,"to":"+1…12","from":"",` +
			`"subject":null,"text":null,"media":null,"priority":"","status":"","reason":null,"attempts":0,"sinchId":null,"sentAs":null,"batchId":null,` +
			`"fallbackText":null,"callbackUrl":null,"createdAt":null,"updatedAt":null,"sendAt":null,"heldUntil":null,"expiresAt":null,"sentAt":null,"finalAt":null,` +
			`"timeline":[],"metadata":null,"redactedAt":"2026-11-01T10:00:00.005Z"}`},
	} {
		if got := string(showMessage(&tc.message)); got != tc.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, tc.want)
		}
	}
}

// TestRateOfABatch: rate and ETA are those of the last minute, and null while
// the batch stands still.
func TestRateOfABatch(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration, calls int64) ledger.CallSlot {
		return ledger.CallSlot{At: now.Add(-d), Calls: calls}
	}
	running := map[message.Status]int64{message.StatusSent: 20, message.StatusQueued: 70, message.StatusExpired: 10}
	begun := now.Add(-time.Hour)
	for name, tt := range map[string]struct {
		batch  ledger.Batch
		halted bool
		rate   float64 // negative: null
		eta    int64   // the same
	}{
		"not begun":           {ledger.Batch{Counts: running}, false, -1, -1},
		"no answer yet":       {ledger.Batch{Counts: running, BegunAt: begun}, false, -1, -1},
		"running":             {ledger.Batch{Counts: running, BegunAt: begun, Calls: []ledger.CallSlot{ago(10*time.Second, 15), ago(5*time.Second, 5)}}, false, 2, 35},
		"begun within a slot": {ledger.Batch{Counts: running, BegunAt: now.Add(-2 * time.Second), Calls: []ledger.CallSlot{ago(4*time.Second, 20)}}, false, 10, 7},
		"in the first second": {ledger.Batch{Counts: running, BegunAt: now, Calls: []ledger.CallSlot{ago(0, 20)}}, false, 20, 4},
		"stood still, goes on": {
			ledger.Batch{Counts: running, BegunAt: begun, Calls: []ledger.CallSlot{ago(30*time.Minute, 9), ago(20*time.Second, 100)}}, false, 5, 14,
		},
		"stands still":        {ledger.Batch{Counts: running, BegunAt: begun, Calls: []ledger.CallSlot{ago(66*time.Second, 100)}}, false, -1, -1},
		"paused":              {ledger.Batch{Counts: running, BegunAt: begun, Calls: []ledger.CallSlot{ago(10*time.Second, 20)}}, true, -1, -1},
		"done, just now":      {ledger.Batch{BegunAt: begun, Calls: []ledger.CallSlot{ago(50*time.Second, 100)}}, false, 2, 0},
		"done, long ago":      {ledger.Batch{BegunAt: begun, Calls: []ledger.CallSlot{ago(30*time.Minute, 100)}}, false, -1, 0},
		"done before a pause": {ledger.Batch{BegunAt: begun, Calls: []ledger.CallSlot{ago(50*time.Second, 100)}}, true, 2, 0},
		"clock behind Redis'": {
			ledger.Batch{Counts: running, BegunAt: begun, AnsweredAt: now.Add(10 * time.Second), Calls: []ledger.CallSlot{ago(0, 20)}}, false, 2, 35,
		},
	} {
		shown := showBatch(tt.batch, now, tt.halted)
		if rate := shown.RatePerSecond; (rate == nil) != (tt.rate < 0) || rate != nil && *rate != tt.rate {
			t.Errorf("%s: rate %v, want %v", name, value(rate), tt.rate)
		}
		if eta := shown.ETASeconds; (eta == nil) != (tt.eta < 0) || eta != nil && *eta != tt.eta {
			t.Errorf("%s: eta %v, want %v", name, value(eta), tt.eta)
		}
	}
}

func value[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// A message that waits for a paused account has its reason, which the record does
// not store.
func TestReasonOfMessagesThatWait(t *testing.T) {
	t.Parallel()
	pause := &message.Reason{Code: message.ReasonAccount, Message: "Waits.", SinchCode: "E104"}
	own := &message.Reason{Code: message.ReasonThrottled}
	for name, tt := range map[string]struct {
		message message.Message
		paused  *message.Reason
		want    *message.Reason
	}{
		"waits":          {message.Message{Status: message.StatusQueued}, pause, pause},
		"no pause":       {message.Message{Status: message.StatusQueued}, nil, nil},
		"its own reason": {message.Message{Status: message.StatusQueued, Reason: own}, pause, own},
		"of a test key":  {message.Message{Status: message.StatusQueued, Scope: message.Scope{Test: true}}, pause, nil},
		"sent":           {message.Message{Status: message.StatusSent}, pause, nil},
		"scheduled":      {message.Message{Status: message.StatusScheduled}, pause, nil},
	} {
		a := &api{Options: Options{Paused: func() *message.Reason { return tt.paused }}}
		before := tt.message.Reason
		if got := a.waiting(&tt.message).Reason; got != tt.want || tt.message.Reason != before {
			t.Errorf("%s: reason %+v, want %+v", name, got, tt.want)
		}
	}
}
