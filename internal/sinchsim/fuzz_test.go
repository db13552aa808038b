package sinchsim_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

// serve hands a request to a simulator without a network.
func serve(h http.Handler, method, target string, header http.Header, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(target, "?")
	r.Header = header
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// quiet has no receipts and no behaviours that need a connection.
func quiet() *sinchsim.Simulator {
	return simtest.New(sinchsim.Options{NoMagicNumbers: true, KeepBodies: true, MaxRecords: 10})
}

// Whatever comes, the MMS API answers 200 with JSON that says success or
// failure, and only success is accepted.
func FuzzMMSRequest(f *testing.F) {
	for _, body := range []fields{
		anMMS(), anMMS().with("action", "savemms").with("name", "n"), anMMS().with("to", "+1"),
		anMMS().with("action", "sendsavedmms").with("mms-id", "1"),
		anMMS().with("slide", []any{fields{"pdf": fields{"url": "http://x/%zz"}}}),
		anMMS().with("mms-expiry-timestamp", "2026-01-01T00:00:00Z").with("to-displayonly", "12065551212,,"),
	} {
		text, err := json.Marshal(body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(`{"action":"sendmms","to":"\ud800"}`)
	f.Add(strings.Repeat("[", 20_000))
	s := quiet()
	f.Fuzz(func(t *testing.T, body string) {
		before := s.Stats().Accepted
		w := serve(s.Handler(), http.MethodPost, "/ep/v2/", mmsHeader(), body)
		var got struct {
			Status string `json:"status"`
			Code   string `json:"error-code"`
			ID     string `json:"tracking-id"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%d %q: %v", w.Code, w.Body, err)
		}
		if (got.Status == "Success") == (got.Code != "") {
			t.Errorf("answer %s", w.Body)
		}
		if accepted := s.Stats().Accepted - before; (got.ID != "") != (accepted == 1) {
			t.Errorf("%d accepted, answer %s", accepted, w.Body)
		}
		recordIsReadable(t, s)
	})
}

func recordIsReadable(t *testing.T, s *sinchsim.Simulator) {
	t.Helper()
	w := serve(s.Handler(), http.MethodGet, "/sim/calls", http.Header{}, "")
	var view struct {
		Calls []json.RawMessage `json:"calls"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &view); err != nil || len(view.Calls) == 0 {
		t.Fatalf("recorder: %v, %q", err, w.Body)
	}
}

// A batch is either taken with 201 or refused with a documented status.
func FuzzBatchRequest(f *testing.F) {
	for _, body := range []fields{
		aBatch(), aBatch().with("delivery_report", "none"), aBatch().with("send_at", "2030-01-01T00:00:00"),
		aBatch().with("delivery_report", "none").with("parameters", fields{"a": fields{"default": "x"}}).
			with("body", fields{"url": "http://x/a", "message": "${a} ${b}"}),
	} {
		text, err := json.Marshal(body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(`{"to":null,"body":{}}`)
	s := quiet()
	f.Fuzz(func(t *testing.T, body string) {
		before := s.Stats().Accepted
		w := serve(s.Handler(), http.MethodPost, "/xms/v1/p/batches", xmsHeader(), body)
		switch w.Code {
		case http.StatusCreated, http.StatusBadRequest, http.StatusForbidden, http.StatusRequestEntityTooLarge:
		default:
			t.Fatalf("status %d", w.Code)
		}
		if len(w.Body.Bytes()) > 0 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("answer %q", w.Body)
		}
		if accepted := s.Stats().Accepted - before; (w.Code == http.StatusCreated) != (accepted == 1) {
			t.Errorf("%d accepted, status %d", accepted, w.Code)
		}
		recordIsReadable(t, s)
	})
}

func FuzzLookup(f *testing.F) {
	f.Add("/batches", "client_reference=a&page=1&page_size=100&start_date=2020-01-01T00:00:00Z")
	f.Add("/delivery_reports", "code=0,401&status=delivered")
	f.Add("/batches/x/delivery_report/1", "type=full")
	f.Add("/batches", "page=9223372036854775807&page_size=1&end_date=%ff")
	s := quiet()
	text, err := json.Marshal(aBatch().with("delivery_report", "none"))
	if err != nil {
		f.Fatal(err)
	}
	if w := serve(s.Handler(), http.MethodPost, "/xms/v1/p/batches", xmsHeader(), string(text)); w.Code != http.StatusCreated {
		f.Fatal(w.Code)
	}
	f.Fuzz(func(t *testing.T, path, query string) {
		w := serve(s.Handler(), http.MethodGet, "/xms/v1/p"+path+"?"+query, xmsHeader(), "")
		if w.Code >= http.StatusInternalServerError {
			t.Errorf("status %d", w.Code)
		}
		recordIsReadable(t, s)
	})
}

// withToken has a simulator give out a token, and returns the header with it.
func withToken(f *testing.F, s *sinchsim.Simulator) http.Header {
	f.Helper()
	header := http.Header{"Authorization": {"Basic a2V5OnNlY3JldA=="}} // key:secret
	w := serve(s.Handler(), http.MethodPost, "/oauth2/token", header, "grant_type=client_credentials")
	var got struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Token == "" {
		f.Fatalf("%d %q", w.Code, w.Body)
	}
	return bearer(got.Token)
}

// A message is either taken with 200 or refused with a documented status, and
// what was taken can be listed.
func FuzzSendRequest(f *testing.F) {
	for _, body := range []fields{
		aSend(), aSend().withSMS("9010").with("ttl", "60s"), aSend().with("message", fields{"text_message": fields{"text": "x"}}),
		aSend().with("channel_priority_order", []any{}).with("recipient", toChannels("1", "MMS", "SMS")),
		aSend().with("message", fields{"media_message": fields{"url": "x"}, "explicit_channel_omni_message": fields{"SMS": 7}}),
	} {
		text, err := json.Marshal(body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(`{"app_id":"a","recipient":{"identified_by":{"channel_identities":[null]}}}`)
	s := simtest.New(sinchsim.Options{
		NoMagicNumbers: true, KeepBodies: true, MaxRecords: 10,
		Conversation: sinchsim.ConversationOptions{TokenLife: 1000 * time.Hour, RetentionDays: 1},
	})
	header := withToken(f, s)
	f.Fuzz(func(t *testing.T, body string) {
		before := s.Stats().Accepted
		w := serve(s.Handler(), http.MethodPost, sendPath, header, body)
		switch w.Code {
		case http.StatusOK, http.StatusBadRequest:
		default:
			t.Fatalf("status %d", w.Code)
		}
		if accepted := s.Stats().Accepted - before; (w.Code == http.StatusOK) != (accepted == 1) || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%d accepted, answer %d %q", accepted, w.Code, w.Body)
		}
		list := serve(s.Handler(), http.MethodGet, project+"/messages?app_id=app1&messages_source=DISPATCH_SOURCE", header, "")
		if list.Code != http.StatusOK || !json.Valid(list.Body.Bytes()) {
			t.Errorf("list %d %q", list.Code, list.Body)
		}
		recordIsReadable(t, s)
	})
}

// A control call that is refused changes nothing; one that is taken leaves rules
// that can be read.
func FuzzControl(f *testing.F) {
	f.Add("/default", `"E113"`)
	f.Add("/numbers/+1", `{"times":1,"behavior":{"answer":"http","status":503,"headers":{"A":"b"}}}`)
	f.Add("/latency", `"normal:1s,2s"`)
	f.Add("/rate", `{"perSecond":1e300,"burst":1}`)
	f.Fuzz(func(t *testing.T, path, body string) {
		s := quiet()
		read := func() string {
			return serve(s.Handler(), http.MethodGet, "/sim/rules", http.Header{}, "").Body.String()
		}
		before := read()
		w := serve(s.Handler(), http.MethodPut, "/sim"+path, http.Header{}, body)
		after := read()
		if !json.Valid([]byte(after)) || len(after) < len(`{"default":{}}`) {
			t.Fatalf("rules %q", after)
		}
		if w.Code != http.StatusNoContent && before != after {
			t.Errorf("status %d changed the rules to %s", w.Code, after)
		}
	})
}

func FuzzParseBehavior(f *testing.F) {
	for _, short := range []string{"ok", "slow:1s", "E110", "503", "hang_before", "none", "unknown_group"} {
		f.Add(short)
	}
	f.Fuzz(func(t *testing.T, short string) {
		b, err := sinchsim.ParseBehavior(short)
		if err != nil {
			return
		}
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		var again sinchsim.Behavior
		if err := json.Unmarshal(text, &again); err != nil {
			t.Errorf("%q becomes %s, which cannot be read: %v", short, text, err)
		}
	})
}
