package sinchsim_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

const (
	project  = "/v1/projects/p1"
	sendPath = project + "/messages:send"
)

func aSend() fields {
	return fields{
		"app_id":    "app1",
		"recipient": toChannels("12065551212", "MMS"),
		"message":   fields{"card_message": fields{"title": "Hi", "description": "Hello", "media_message": fields{"url": "https://media.example.com/a.jpg"}}},

		"channel_priority_order": []any{"MMS"}, "channel_properties": fields{"MMS_SENDER": "28444"},
		"message_metadata": "msg_a-1", "correlation_id": "msg_a-1", "processing_strategy": "DISPATCH_ONLY",
	}
}

func toChannels(number string, channels ...string) fields {
	var all []any
	for _, channel := range channels {
		all = append(all, fields{"channel": channel, "identity": number})
	}
	return fields{"identified_by": fields{"channel_identities": all}}
}

func to(digits string) fields {
	return aSend().with("recipient", toChannels("1206555"+digits, "MMS"))
}

// withSMS allows an SMS instead.
func (f fields) withSMS(digits string) fields {
	return f.with("recipient", toChannels("1206555"+digits, "MMS", "SMS")).with("channel_priority_order", []any{"MMS", "SMS"})
}

func askToken(t *testing.T, s *simtest.Server, id, secret, form string) answer {
	t.Helper()
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	if id != "" {
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(id+":"+secret)))
	}
	got, err := call(t.Context(), http.MethodPost, s.URL+"/oauth2/token", header, []byte(form))
	if err != nil {
		t.Fatalf("token: %v", err)
	}
	return got
}

func aToken(t *testing.T, s *simtest.Server) string {
	t.Helper()
	got := askToken(t, s, "key", "secret", "grant_type=client_credentials")
	value, _ := got.fields["access_token"].(string)
	if got.status != http.StatusOK || value == "" {
		t.Fatalf("token: %d %s", got.status, got.raw)
	}
	return value
}

func bearer(token string) http.Header {
	return http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}}
}

func conversation(t *testing.T, s *simtest.Server, token, method, path string, v any) answer {
	t.Helper()
	var body []byte
	if v != nil {
		body = asJSON(t, v)
	}
	got, err := call(t.Context(), method, s.URL+path, bearer(token), body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return got
}

func sendConversation(t *testing.T, s *simtest.Server, v any) answer {
	t.Helper()
	return conversation(t, s, aToken(t, s), http.MethodPost, sendPath, v)
}

// word is what an error of the API is called.
func (a answer) word() string {
	detail, _ := a.fields["error"].(map[string]any)
	word, _ := detail["status"].(string)
	return word
}

func TestTokens(t *testing.T) {
	t.Parallel()
	s := simtest.Start(t, sinchsim.Options{Conversation: sinchsim.ConversationOptions{KeyID: "key-1", KeySecret: "a:~b.", TokenBurst: 1000}})
	got := askToken(t, s, "key-1", "a:~b.", "grant_type=client_credentials")
	if got.status != http.StatusOK || got.fields["expires_in"] != 3600.0 || got.fields["token_type"] != "bearer" {
		t.Fatalf("%d %s", got.status, got.raw)
	}
	for name, tt := range map[string]struct {
		id, secret, form string
		status           int
		code             string
	}{
		"nobody":       {"", "", "grant_type=client_credentials", 401, "invalid_client"},
		"wrong id":     {"key", "a:~b.", "grant_type=client_credentials", 401, "invalid_client"},
		"wrong secret": {"key-1", "a", "grant_type=client_credentials", 401, "invalid_client"},
		"no grant":     {"key-1", "a:~b.", "", 400, "unsupported_grant_type"},
		"other grant":  {"key-1", "a:~b.", "grant_type=password", 400, "unsupported_grant_type"},
	} {
		if got := askToken(t, s, tt.id, tt.secret, tt.form); got.status != tt.status || got.fields["error"] != tt.code {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
		}
	}
	if n := len(s.Calls(sinchsim.CallFilter{Operation: "token"})); n != 6 {
		t.Errorf("%d calls for a token recorded, want 6", n)
	}
	if st := s.Stats(); st.Calls != 0 || st.Lookups != 0 {
		t.Errorf("asking for a token counts as %+v", st)
	}
}

// The token endpoint has a pace of its own, and does not say how long to wait.
func TestTokensHaveAPace(t *testing.T) {
	t.Parallel()
	s := simtest.Start(t, sinchsim.Options{Conversation: sinchsim.ConversationOptions{TokenBurst: 2, TokenRate: 0.001}})
	for i, want := range []int{200, 200, 429} {
		got := askToken(t, s, "key", "secret", "grant_type=client_credentials")
		if got.status != want || got.header.Get("Retry-After") != "" {
			t.Errorf("call %d: %d, Retry-After %q", i+1, got.status, got.header.Get("Retry-After"))
		}
	}
}

func TestTokenExpires(t *testing.T) {
	t.Parallel()
	s, _ := start(t, sinchsim.Options{})
	old := aToken(t, s)
	if got := conversation(t, s, old, http.MethodPost, sendPath, aSend()); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.raw)
	}
	if got := control(t, s, http.MethodDelete, "/tokens", ""); got.status != http.StatusNoContent {
		t.Fatalf("%d %s", got.status, got.raw)
	}
	got := conversation(t, s, old, http.MethodPost, sendPath, aSend())
	if got.status != http.StatusUnauthorized || got.word() != "UNAUTHENTICATED" || !strings.Contains(got.header.Get("WWW-Authenticate"), "expired") {
		t.Errorf("%d %s, %q", got.status, got.raw, got.header.Get("WWW-Authenticate"))
	}
	for _, token := range []string{"", "x", old + "x", "." + old, strings.ToUpper(old)} {
		got := conversation(t, s, token, http.MethodPost, sendPath, aSend())
		if got.status != http.StatusUnauthorized || strings.Contains(got.header.Get("WWW-Authenticate"), "expired") {
			t.Errorf("token %q: %d, %q", token, got.status, got.header.Get("WWW-Authenticate"))
		}
	}
	if got := sendConversation(t, s, aSend()); got.status != http.StatusOK {
		t.Errorf("with a new one: %d %s", got.status, got.raw)
	}
	if n := s.Stats().Accepted; n != 2 {
		t.Errorf("%d accepted, want 2", n)
	}
}

func TestConversationAccepted(t *testing.T) {
	t.Parallel()
	s, rec := start(t, sinchsim.Options{})
	got := sendConversation(t, s, aSend())
	id, _ := got.fields["message_id"].(string)
	accepted, _ := got.fields["accepted_time"].(string)
	if got.status != http.StatusOK || !ulidForm.MatchString(id) || !timeForm.MatchString(accepted) {
		t.Fatalf("%d %s", got.status, got.raw)
	}
	for _, status := range []string{"QUEUED_ON_CHANNEL", "DELIVERED"} {
		p := rec.next(t)
		event, _ := p.fields["event_time"].(string)
		want := map[string]any{
			"app_id": "app1", "project_id": "p1", "accepted_time": accepted, "event_time": event,
			"message_metadata": "msg_a-1", "correlation_id": "",
			"message_delivery_report": map[string]any{
				"message_id": id, "conversation_id": "", "contact_id": "", "status": status,
				"channel_identity": map[string]any{"channel": "MMS", "identity": "12065551212", "app_id": ""},
				"metadata":         "msg_a-1", "processing_mode": "DISPATCH",
			},
		}
		if diff := cmp.Diff(want, p.fields); diff != "" || !timeForm.MatchString(event) {
			t.Errorf("report (-want +got):\n%s", diff)
		}
	}
	if s.AcceptedFor(sinchsim.ByMessage, "msg_a") != 1 || s.AcceptedFor(sinchsim.ByNumber, "+12065551212") != 1 {
		t.Errorf("counted as %v", s.Accepted(sinchsim.ByMessage))
	}
}

// What is wrong at first sight is refused.
func TestConversationRefused(t *testing.T) {
	t.Parallel()
	s := simtest.Start(t, quick(sinchsim.Options{Conversation: sinchsim.ConversationOptions{App: "app1", Project: "p1"}}))
	token := aToken(t, s)
	media := func(v any) fields { return aSend().with("message", fields{"media_message": v}) }
	tests := map[string]struct {
		body any
		code string
	}{
		"app missing":             {aSend().with("app_id", nil), "INVALID_ARGUMENT"},
		"app of another region":   {aSend().with("app_id", "app2"), "NOT_FOUND"},
		"app of another type":     {aSend().with("app_id", 1), "INVALID_ARGUMENT"},
		"recipient missing":       {aSend().with("recipient", nil), "INVALID_ARGUMENT"},
		"recipient a contact":     {aSend().with("recipient", fields{"contact_id": "c"}), "INVALID_ARGUMENT"},
		"recipient empty":         {aSend().with("recipient", toChannels("", "MMS")), "INVALID_ARGUMENT"},
		"two recipients":          {aSend().with("recipient", fields{"identified_by": fields{"channel_identities": []any{fields{"channel": "MMS", "identity": "1"}, fields{"channel": "SMS", "identity": "2"}}}}), "INVALID_ARGUMENT"},
		"message missing":         {aSend().with("message", nil), "INVALID_ARGUMENT"},
		"two messages":            {aSend().with("message", fields{"text_message": fields{"text": "x"}, "media_message": fields{"url": "https://x/a"}}), "INVALID_ARGUMENT"},
		"media without url":       {media(fields{}), "INVALID_ARGUMENT"},
		"card without url":        {aSend().with("message", fields{"card_message": fields{"title": "x", "media_message": fields{}}}), "INVALID_ARGUMENT"},
		"card empty":              {aSend().with("message", fields{"card_message": fields{}}), "INVALID_ARGUMENT"},
		"channel unknown":         {aSend().with("channel_priority_order", []any{"MMS", "RCS"}), "INVALID_ARGUMENT"},
		"channel twice":           {aSend().with("channel_priority_order", []any{"MMS", "MMS"}), "INVALID_ARGUMENT"},
		"channel not MMS":         {aSend().withSMS("1212").with("channel_priority_order", []any{"SMS", "MMS"}), "INVALID_ARGUMENT"},
		"override of no channel":  {aSend().with("message", fields{"media_message": fields{"url": "https://x/a"}, "explicit_channel_omni_message": fields{"X": fields{}}}), "INVALID_ARGUMENT"},
		"property too long":       {aSend().with("channel_properties", fields{"MMS_SENDER": strings.Repeat("1", 1025)}), "INVALID_ARGUMENT"},
		"metadata too long":       {aSend().with("message_metadata", strings.Repeat("x", 1025)), "INVALID_ARGUMENT"},
		"correlation id too long": {aSend().with("correlation_id", strings.Repeat("x", 129)), "INVALID_ARGUMENT"},
		"ttl too short":           {aSend().with("ttl", "2s"), "INVALID_ARGUMENT"},
		"ttl without unit":        {aSend().with("ttl", "20"), "INVALID_ARGUMENT"},
		"ttl signed":              {aSend().with("ttl", "+20s"), "INVALID_ARGUMENT"},
		"ttl too long":            {aSend().with("ttl", "315576000001s"), "INVALID_ARGUMENT"},
		"strategy":                {aSend().with("processing_strategy", "FAST"), "INVALID_ARGUMENT"},
		"queue":                   {aSend().with("queue", "FAST"), "INVALID_ARGUMENT"},
		"callback url":            {aSend().with("callback_url", "ftp://x"), "INVALID_ARGUMENT"},
		"not an object":           {[]any{}, "INVALID_ARGUMENT"},
		"no JSON":                 {nil, "INVALID_ARGUMENT"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := conversation(t, s, token, http.MethodPost, sendPath, tt.body)
			if got.word() != tt.code || got.status != map[string]int{"INVALID_ARGUMENT": 400, "NOT_FOUND": 404}[tt.code] {
				t.Errorf("%d %s, want %s", got.status, got.raw, tt.code)
			}
		})
	}
	if got := conversation(t, s, token, http.MethodPost, "/v1/projects/p2/messages:send", aSend()); got.word() != "NOT_FOUND" {
		t.Errorf("another project: %d %s", got.status, got.raw)
	}
	t.Cleanup(func() {
		if n := s.Stats().Accepted; n != 0 {
			t.Errorf("%d calls were accepted", n)
		}
	})
}

// status is the status of a report, with its channel and reason.
func (p postback) status() string {
	report, _ := p.fields["message_delivery_report"].(map[string]any)
	channel, _ := report["channel_identity"].(map[string]any)
	reason, _ := report["reason"].(map[string]any)
	text := fmt.Sprintf("%v %v", channel["channel"], report["status"])
	if reason != nil {
		text += fmt.Sprintf(" %v", reason["code"])
	}
	return text
}

// What is wrong at second sight is accepted, and fails.
func TestConversationFailsLater(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]fields{
		"no number":      aSend().with("recipient", toChannels("+12065551212", "MMS")),
		"no sender":      aSend().with("channel_properties", nil),
		"no real sender": aSend().with("channel_properties", fields{"MMS_SENDER": "me"}),
		"long title":     aSend().with("message", fields{"card_message": fields{"title": strings.Repeat("x", 81)}}),
		"no real url":    aSend().with("message", fields{"media_message": fields{"url": "a.jpg"}}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, rec := start(t, sinchsim.Options{})
			if got := sendConversation(t, s, body); got.status != http.StatusOK {
				t.Fatalf("%d %s", got.status, got.raw)
			}
			if got := rec.next(t).status(); got != "MMS FAILED BAD_REQUEST" {
				t.Errorf("report %s", got)
			}
		})
	}
}

func TestMagicNumbersConversation(t *testing.T) {
	t.Parallel()
	tests := []struct {
		body    fields
		refused string // error
		hangs   bool   // accepted and never answered
		reports []string
	}{
		{body: to("9001"), refused: "INVALID_ARGUMENT"},
		{body: to("9002"), reports: []string{"MMS FAILED RECIPIENT_NOT_OPTED_IN"}},
		{body: to("9003"), reports: []string{"MMS FAILED MEDIA_NOT_REACHABLE"}},
		{body: to("9004"), reports: []string{"MMS QUEUED_ON_CHANNEL", "MMS FAILED CHANNEL_REJECT"}},
		{body: to("9005"), reports: []string{"MMS QUEUED_ON_CHANNEL", "MMS FAILED MESSAGE_EXPIRED"}},
		{body: to("9007")},
		{body: to("9008"), hangs: true},
		{body: to("9009"), hangs: true, reports: []string{"MMS QUEUED_ON_CHANNEL", "MMS DELIVERED"}},
		{body: to("9010"), reports: []string{"MMS QUEUED_ON_CHANNEL", "MMS FAILED RECIPIENT_NOT_REACHABLE"}},
		{body: aSend().withSMS("9010"), reports: []string{
			"MMS QUEUED_ON_CHANNEL", "MMS SWITCHING_CHANNEL RECIPIENT_NOT_REACHABLE", "SMS QUEUED_ON_CHANNEL", "SMS DELIVERED",
		}},
		{body: aSend().withSMS("1212"), reports: []string{"MMS QUEUED_ON_CHANNEL", "MMS DELIVERED"}},
	}
	for i, tt := range tests {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			s, rec := start(t, sinchsim.Options{})
			if tt.hangs {
				hangs(t, s, s.URL+sendPath, bearer(aToken(t, s)), tt.body)
			} else if got := sendConversation(t, s, tt.body); got.word() != tt.refused {
				t.Fatalf("%d %s", got.status, got.raw)
			}
			for _, want := range tt.reports {
				if got := rec.next(t).status(); got != want {
					t.Errorf("report %s, want %s", got, want)
				}
			}
			settled(t, s)
			if n := s.Stats().Receipts.Scheduled; n != uint64(len(tt.reports)) {
				t.Errorf("%d reports, want %d", n, len(tt.reports))
			}
		})
	}
	t.Run("throttled twice", func(t *testing.T) {
		t.Parallel()
		s, _ := start(t, sinchsim.Options{})
		for n, want := range []int{429, 429, 200} {
			body := to("9006").with("message_metadata", fmt.Sprintf("msg_a-%d", n+1))
			if got := sendConversation(t, s, body); got.status != want {
				t.Errorf("call %d: %d %s", n+1, got.status, got.raw)
			}
		}
	})
}

// Behaviours and their codes work as with the other APIs.
func TestConversationBehaviors(t *testing.T) {
	t.Parallel()
	s, rec := start(t, sinchsim.Options{})
	for word, want := range map[string]int{"PERMISSION_DENIED": 403, "FAILED_PRECONDITION": 400, "UNAVAILABLE": 503, "throttle": 429} {
		s.Next(1, behavior(t, word))
		if got := sendConversation(t, s, aSend()); got.status != want || (word != "throttle" && got.word() != word) {
			t.Errorf("%s: %d %s", word, got.status, got.raw)
		}
	}
	s.Next(1, sinchsim.Behavior{Receipts: sinchsim.Receipts{Codes: []string{"SWITCHING_CHANNEL", "CHANNEL_FAILURE", "READ"}}})
	sendConversation(t, s, aSend())
	for _, want := range []string{"MMS SWITCHING_CHANNEL RECIPIENT_NOT_REACHABLE", "SMS FAILED CHANNEL_FAILURE", "SMS READ"} {
		if got := rec.next(t).status(); got != want {
			t.Errorf("report %s, want %s", got, want)
		}
	}
	s.Next(1, behavior(t, "sms_failed"))
	sendConversation(t, s, aSend().withSMS("1212"))
	for range 3 {
		rec.next(t)
	}
	if got := rec.next(t).status(); got != "SMS FAILED CHANNEL_REJECT" {
		t.Errorf("report %s", got)
	}
}

// Reports go to the message's own URL, with a new signature for every try.
func TestConversationReportsAreSigned(t *testing.T) {
	t.Parallel()
	rec := newReceiver(t, http.StatusInternalServerError)
	s := newServer(t, sinchsim.Options{Conversation: sinchsim.ConversationOptions{Secret: "s"}})
	s.SetDefault(behavior(t, "sent"))
	sendConversation(t, s, aSend().with("callback_url", rec.url+"/own?token=t"))
	nonces := map[string]bool{}
	for range 2 {
		p := rec.next(t)
		nonce, stamp := p.header.Get("X-Sinch-Webhook-Signature-Nonce"), p.header.Get("X-Sinch-Webhook-Signature-Timestamp")
		if got := p.header.Get("X-Sinch-Webhook-Signature"); got != sinchsim.Sign("s", p.raw, nonce, stamp) || p.query != "token=t" {
			t.Errorf("signature %q, query %q", got, p.query)
		}
		nonces[nonce] = true
	}
	if len(nonces) != 2 {
		t.Errorf("nonces %v, want two", nonces)
	}
}

func TestConversationIsLookedUp(t *testing.T) {
	t.Parallel()
	for days, kept := range map[int]bool{0: false, 1: true} {
		t.Run(fmt.Sprintf("kept for %d days", days), func(t *testing.T) {
			t.Parallel()
			s, _ := start(t, sinchsim.Options{Conversation: sinchsim.ConversationOptions{RetentionDays: days}})
			token := aToken(t, s)
			var ids []any
			for i := range 3 {
				got := conversation(t, s, token, http.MethodPost, sendPath, aSend().with("message_metadata", fmt.Sprintf("msg_%d-1", i)))
				ids = append(ids, got.fields["message_id"])
			}
			conversation(t, s, token, http.MethodPost, sendPath, to("0000"))
			all := []any{ids[2], ids[1], ids[0]}
			later := url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339))
			const own = "app_id=app1&channel_identity=12065551212&messages_source=DISPATCH_SOURCE"
			for query, want := range map[string][]any{
				own:                          all,
				own + "&page_size=2":         {ids[2], ids[1]},
				own + "&start_time=" + later: nil,
				own + "&end_time=" + later:   all,
				"app_id=app2&messages_source=DISPATCH_SOURCE":                    nil,
				"app_id=app1&channel_identity=12065551212":                       nil,
				own + "&page_size=2&page_token=1":                                {ids[0]},
				"app_id=app1&channel_identity=1&messages_source=DISPATCH_SOURCE": nil,
			} {
				if !kept {
					want = nil
				}
				got := conversation(t, s, token, http.MethodGet, project+"/messages?"+query, nil)
				var found []any
				messages, ok := got.fields["messages"].([]any)
				for _, m := range messages {
					found = append(found, m.(map[string]any)["id"])
				}
				if diff := cmp.Diff(want, found); diff != "" || !ok || got.status != http.StatusOK {
					t.Errorf("%s: %d (-want +got):\n%s", query, got.status, diff)
				}
				if next := got.fields["next_page_token"]; (next != "") != (kept && strings.HasSuffix(query, "page_size=2")) {
					t.Errorf("%s: next page %v", query, next)
				}
			}
			path := fmt.Sprintf("%s/messages/%s?messages_source=DISPATCH_SOURCE", project, ids[1])
			got := conversation(t, s, token, http.MethodGet, path, nil)
			if (got.status == http.StatusOK) != kept || kept && got.fields["metadata"] != "msg_1-1" {
				t.Errorf("one: %d %s", got.status, got.raw)
			}
			app := conversation(t, s, token, http.MethodGet, project+"/apps/app1", nil)
			policy, _ := app.fields["dispatch_retention_policy"].(map[string]any)
			if policy["ttl_days"] != float64(days) || app.fields["id"] != "app1" {
				t.Errorf("app: %s", app.raw)
			}
		})
	}
}

func TestConversationLookUpsAreChecked(t *testing.T) {
	t.Parallel()
	s := newServer(t, sinchsim.Options{Conversation: sinchsim.ConversationOptions{App: "app1", RetentionDays: 1}})
	token := aToken(t, s)
	for path, want := range map[string]string{
		"/messages":                              "NOT_FOUND",
		"/messages?app_id=app2":                  "NOT_FOUND",
		"/messages?app_id=app1&page_size=0":      "INVALID_ARGUMENT",
		"/messages?app_id=app1&page_size=1001":   "INVALID_ARGUMENT",
		"/messages?app_id=app1&page_token=x":     "INVALID_ARGUMENT",
		"/messages?app_id=app1&start_time=today": "INVALID_ARGUMENT",
		"/messages?app_id=app1&page_token=9223372036854775807&messages_source=DISPATCH_SOURCE": "",
		"/messages/01FC66621VHDBN119Z8PMV1QPQ?messages_source=DISPATCH_SOURCE":                 "NOT_FOUND",
		"/apps/app2": "NOT_FOUND",
		"/apps/app1": "",
	} {
		if got := conversation(t, s, token, http.MethodGet, project+path, nil); got.word() != want {
			t.Errorf("%s: %d %s, want %q", path, got.status, got.raw, want)
		}
	}
}

// A message that is not listed yet is there all the same.
func TestConversationListDelay(t *testing.T) {
	t.Parallel()
	s := newServer(t, sinchsim.Options{Conversation: sinchsim.ConversationOptions{RetentionDays: 1, ListDelay: time.Hour}})
	token := aToken(t, s)
	got := conversation(t, s, token, http.MethodPost, sendPath, aSend())
	const query = "?app_id=app1&messages_source=DISPATCH_SOURCE"
	if list := conversation(t, s, token, http.MethodGet, project+"/messages"+query, nil); len(list.fields["messages"].([]any)) != 0 {
		t.Errorf("%s is listed: %s", got.raw, list.raw)
	}
}

// The app works its queue off at its own pace and refuses what is too much.
func TestConversationQueue(t *testing.T) {
	t.Parallel()
	s, rec := start(t, sinchsim.Options{Conversation: sinchsim.ConversationOptions{DrainRate: 0.1, QueueLimit: 2}})
	token := aToken(t, s)
	send := func(ttl string) answer {
		return conversation(t, s, token, http.MethodPost, sendPath, aSend().with("ttl", ttl))
	}
	if got := send("3s"); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.raw)
	}
	if got := rec.next(t).status(); got != "MMS QUEUED_ON_CHANNEL" {
		t.Errorf("the first one: %s", got)
	}
	for range 2 {
		send("3s")
	}
	if got := send("3s"); got.word() != "RESOURCE_EXHAUSTED" || got.status != http.StatusTooManyRequests {
		t.Errorf("the queue is full: %d %s", got.status, got.raw)
	}
	app := conversation(t, s, token, http.MethodGet, project+"/apps/app1", nil)
	if queue, _ := app.fields["queue_stats"].(map[string]any); queue["outbound_size"] != 2.0 || queue["outbound_limit"] != 2.0 {
		t.Errorf("app: %s", app.raw)
	}
	codes := map[string]int{}
	for _, c := range s.Calls(sinchsim.CallFilter{API: sinchsim.APIConversation}) {
		codes[c.Answer]++
	}
	if codes["ok"] != 4 || codes["RESOURCE_EXHAUSTED"] != 1 { // three sends and the app
		t.Errorf("calls %v", codes)
	}
}

func TestConversationMMSOnly(t *testing.T) {
	t.Parallel()
	s := newServer(t, sinchsim.Options{Conversation: sinchsim.ConversationOptions{MMSOnly: true}})
	if got := sendConversation(t, s, aSend().withSMS("1212")); got.word() != "INVALID_ARGUMENT" {
		t.Errorf("%d %s", got.status, got.raw)
	}
	if got := sendConversation(t, s, aSend()); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.raw)
	}
}
