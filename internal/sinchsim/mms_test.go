package sinchsim_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinchsim"
)

func slideOf(kv ...any) []any {
	s := fields{}
	for i := 0; i < len(kv); i += 2 {
		s[kv[i].(string)] = kv[i+1]
	}
	return []any{s}
}

func mediaOf(name string) fields { return fields{"url": "https://media.example.com/" + name} }

func TestMMSAccepts(t *testing.T) {
	t.Parallel()
	s, rec := start(t, sinchsim.Options{})
	got := sendMMS(t, s, anMMS())
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Fatalf("status %d, type %q", got.status, got.header.Get("Content-Type"))
	}
	id, _ := got.fields["tracking-id"].(string)
	mmsID, _ := got.fields["mms-id"].(string)
	want := map[string]any{
		"status": "Success", "to": "12065551212", "from": "28444", "mms-id": mmsID, "tracking-id": id,
		"status-details": "MMS request accepted and queued for delivery",
	}
	if diff := cmp.Diff(want, got.fields); diff != "" || id == "" || mmsID == "" {
		t.Fatalf("answer (-want +got):\n%s", diff)
	}
	for _, code := range []string{"N101", "N102"} {
		p := rec.next(t)
		status, details := "Sent", "Message Sent"
		if code == "N102" {
			status, details = "Delivered", "Message Delivered"
		}
		at, _ := p.fields["timestamp"].(string)
		if _, err := time.Parse(time.RFC3339, at); err != nil {
			t.Errorf("timestamp: %v", err)
		}
		want := map[string]any{
			"origin": "MMS_MT", "code": code, "sent-as": "MMS", "status": status, "status-details": details,
			"from": "28444", "to": "12065551212", "mms-id": mmsID, "tracking-id": id,
			"client-reference": "msg_a-1", "operator-id": "31003", "timestamp": at,
		}
		if diff := cmp.Diff(want, p.fields); diff != "" {
			t.Errorf("receipt %s (-want +got):\n%s", code, diff)
		}
		if p.query != "token=t" {
			t.Errorf("query %q", p.query)
		}
	}
	if again := sendMMS(t, s, anMMS()).fields["tracking-id"]; again == id {
		t.Errorf("tracking id %v came twice", again)
	}
}

func TestMMSRefuses(t *testing.T) {
	t.Parallel()
	s, _ := start(t, sinchsim.Options{MMS: sinchsim.MMSOptions{APIKey: apiKey, ServiceID: "c-1"}})
	m := anMMS()
	image := mediaOf("a.jpg")
	tests := map[string]struct {
		body fields
		code string
	}{
		"action missing":          {m.with("action", nil), "E107"},
		"action in capitals":      {m.with("action", "sendMMS"), "E107"},
		"campaign missing":        {m.with("service-id", nil), "E627"},
		"campaign of another":     {m.with("service-id", "c-2"), "E627"},
		"to missing":              {m.with("to", nil), "E110"},
		"to with plus":            {m.with("to", "+12065551212"), "E110"},
		"to with zeros":           {m.with("to", "0012065551212"), "E110"},
		"to with space":           {m.with("to", "1206 5551212"), "E110"},
		"to too long":             {m.with("to", "1206555121212345"), "E110"},
		"to other digits":         {m.with("to", "١٢٠٦٥٥٥١٢١٢"), "E110"},
		"to as number":            {m.with("to", 12065551212), "E108"},
		"to as list":              {m.with("to", []any{"12065551212"}), "E108"},
		"display-only bad":        {m.with("to-displayonly", "12065551212,x"), "E110"},
		"from missing":            {m.with("from", nil), "E111"},
		"from with plus":          {m.with("from", "+28444"), "E111"},
		"mask too long":           {m.with("from-mask", strings.Repeat("a", 51)), "E115"},
		"subject too long":        {m.with("message-subject", strings.Repeat("é", 81)), "E314"},
		"fallback missing":        {m.with("disable-fallback-sms", nil), "E622"},
		"flag as text":            {m.with("disable-fallback-sms", "true"), "E108"},
		"expiry unreadable":       {m.with("mms-expiry-timestamp", "tomorrow"), "E108"},
		"link expiration too far": {m.with("fallback-sms-link-expiration", "2199-01-01T00:00:00Z"), "E108"},
		"reference too long":      {m.with("client-reference", strings.Repeat("a", 65)), "E108"},
		"slides missing":          {m.with("slide", nil), "E312"},
		"slides empty":            {m.with("slide", []any{}), "E312"},
		"nine slides":             {m.with("slide", slices9(image)), "E225"},
		"slide as object":         {m.with("slide", fields{"image": image}), "E108"},
		"slide empty":             {m.with("slide", slideOf()), "E313"},
		"slide unknown kind":      {m.with("slide", slideOf("hologram", image)), "E313"},
		"text too long":           {m.with("slide", slideOf("message-text", strings.Repeat("a", 5001))), "E334"},
		"image and video":         {m.with("slide", slideOf("image", image, "video", image)), "E227"},
		"audio and video":         {m.with("slide", slideOf("audio", image, "video", image)), "E226"},
		"two objects":             {m.with("slide", slideOf("pdf", image, "vcard", image)), "E223"},
		"object and image":        {m.with("slide", slideOf("pdf", image, "image", image)), "E224"},
		"duration":                {m.with("slide", slideOf("image", image, "duration", 0)), "E230"},
		"image without url":       {m.with("slide", slideOf("image", fields{})), "E351"},
		"audio not http":          {m.with("slide", slideOf("audio", fields{"url": "ftp://x/a"})), "E352"},
		"video without host":      {m.with("slide", slideOf("video", fields{"url": "http:///a"})), "E353"},
		"contact with space":      {m.with("slide", slideOf("contact", fields{"url": "http://x/a b"})), "E355"},
		"calendar empty":          {m.with("slide", slideOf("calendar", fields{"url": ""})), "E356"},
		"pdf empty":               {m.with("slide", slideOf("pdf", fields{"url": ""})), "E357"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := sendMMS(t, s, tt.body)
			if got.status != http.StatusOK || got.fields["status"] != "Failure" || got.fields["error-code"] != tt.code {
				t.Fatalf("got %d %s, want %s", got.status, got.raw, tt.code)
			}
			if info, _ := got.fields["error-info"].(string); info == "" || got.fields["tracking-id"] != nil {
				t.Errorf("answer %s", got.raw)
			}
		})
	}
	t.Cleanup(func() {
		if n := s.Stats().Accepted; n != 0 {
			t.Errorf("%d calls were accepted", n)
		}
	})
}

func slices9(image fields) []any {
	var all []any
	for range 9 {
		all = append(all, fields{"image": image})
	}
	return all
}

func TestMMSEdgesThatPass(t *testing.T) {
	t.Parallel()
	s, _ := start(t, sinchsim.Options{})
	m := anMMS()
	for name, body := range map[string]fields{
		"no campaign":      m.with("service-id", nil),
		"no subject":       m.with("message-subject", nil),
		"subject of 80":    m.with("message-subject", strings.Repeat("é", 80)),
		"fallback":         m.with("disable-fallback-sms", nil).with("fallback-sms-text", "see"),
		"eight slides":     m.with("slide", slices9(mediaOf("a"))[:8]),
		"text only":        m.with("slide", slideOf("message-text", strings.Repeat("é", 5000))),
		"image and audio":  m.with("slide", slideOf("image", mediaOf("a"), "audio", mediaOf("b"))),
		"reference of 64":  m.with("client-reference", strings.Repeat("a", 64)),
		"field of tomorro": m.with("new-field", 1),
	} {
		if got := sendMMS(t, s, body); got.fields["status"] != "Success" {
			t.Errorf("%s: %s", name, got.raw)
		}
	}
}

func TestMMSTransport(t *testing.T) {
	t.Parallel()
	s, _ := start(t, sinchsim.Options{MMS: sinchsim.MMSOptions{APIKey: apiKey}})
	good := string(asJSON(t, anMMS()))
	header := func(change func(http.Header)) http.Header {
		h := mmsHeader()
		change(h)
		return h
	}
	tests := map[string]struct {
		method, path, body string
		header             http.Header
		code               any
	}{
		"no final slash":   {"POST", "/ep/v2", good, mmsHeader(), nil},
		"get":              {"GET", "/ep/v2/", "", mmsHeader(), "E100"},
		"form":             {"POST", "/ep/v2/", good, header(func(h http.Header) { h.Set("Content-Type", "text/plain") }), "E100"},
		"no key":           {"POST", "/ep/v2/", good, header(func(h http.Header) { h.Del("X-Api-Key") }), "E104"},
		"other key":        {"POST", "/ep/v2/", good, header(func(h http.Header) { h.Set("X-Api-Key", "key-2") }), "E104"},
		"key in the query": {"POST", "/ep/v2/?x-api-key=" + apiKey, good, header(func(h http.Header) { h.Del("X-Api-Key") }), "E104"},
		"bad key wins":     {"POST", "/ep/v2/", "{", header(func(h http.Header) { h.Set("X-Api-Key", "") }), "E104"},
		"empty":            {"POST", "/ep/v2/", "", mmsHeader(), "E108"},
		"cut":              {"POST", "/ep/v2/", good[:40], mmsHeader(), "E108"},
		"two objects":      {"POST", "/ep/v2/", good + good, mmsHeader(), "E108"},
		"array":            {"POST", "/ep/v2/", "[]", mmsHeader(), "E108"},
		"name twice":       {"POST", "/ep/v2/", `{"action":"sendmms","action":"sendmms"}`, mmsHeader(), "E108"},
		"not utf-8":        {"POST", "/ep/v2/", "{\"action\":\"\xff\"}", mmsHeader(), "E108"},
		"too large":        {"POST", "/ep/v2/", strings.Repeat(" ", 1<<20) + good, mmsHeader(), "E108"},
		"names have case":  {"POST", "/ep/v2/", strings.Replace(good, `"to"`, `"To"`, 1), mmsHeader(), "E110"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := call(t.Context(), tt.method, s.URL+tt.path, tt.header, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if got.status != http.StatusOK || got.fields["error-code"] != tt.code {
				t.Fatalf("got %d %s, want %v", got.status, got.raw, tt.code)
			}
		})
	}
}

func TestMMSExpiredMessageIsNotDelivered(t *testing.T) {
	t.Parallel()
	s, rec := start(t, sinchsim.Options{})
	sendMMS(t, s, anMMS().with("mms-expiry-timestamp", "2020-01-01T00:00:00Z"))
	if diff := cmp.Diff([]any{"N101", "N103"}, rec.codes(t, 2)); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
}

func TestMMSFetchesMedia(t *testing.T) {
	t.Parallel()
	media := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			w.Header().Set("Content-Length", "3")
			_, _ = w.Write([]byte("gif"))
		case "/chunked":
			w.(http.Flusher).Flush()
			_, _ = w.Write([]byte("gif"))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(media.Close)
	s, _ := start(t, sinchsim.Options{FetchMedia: true})
	for path, code := range map[string]any{"/good": nil, "/chunked": "E351", "/missing": "E351"} {
		got := sendMMS(t, s, anMMS().with("slide", slideOf("image", fields{"url": media.URL + path})))
		if got.fields["error-code"] != code {
			t.Errorf("%s: %s", path, got.raw)
		}
	}
}

func TestMMSTemplates(t *testing.T) {
	t.Parallel()
	save := fields{"action": "savemms", "name": "n", "client-reference": "tmpl-1", "slide": slideOf("video", mediaOf("a.mp4"))}
	send := anMMS().with("action", "sendsavedmms").with("slide", nil)
	t.Run("ready after encoding", func(t *testing.T) {
		t.Parallel()
		s, rec := start(t, sinchsim.Options{MMS: sinchsim.MMSOptions{EncodeTime: time.Second}})
		saved := sendMMS(t, s, save)
		id, _ := saved.fields["mms-id"].(string)
		if saved.fields["status"] != "Success" || id == "" || saved.fields["tracking-id"] != nil {
			t.Fatalf("saved: %s", saved.raw)
		}
		if got := sendMMS(t, s, send.with("mms-id", id)); got.fields["error-code"] != "E626" {
			t.Fatalf("while encoding: %s", got.raw)
		}
		p := rec.next(t)
		want := map[string]any{"origin": "MMS_MT", "code": "N003", "mms-id": id, "client-reference": "tmpl-1"}
		if diff := cmp.Diff(want, p.fields); diff != "" {
			t.Fatalf("postback (-want +got):\n%s", diff)
		}
		if got := sendMMS(t, s, send.with("mms-id", id)); got.fields["status"] != "Success" || got.fields["mms-id"] != id {
			t.Fatalf("when ready: %s", got.raw)
		}
		if n := s.AcceptedFor(sinchsim.ByMessage, "msg_a"); n != 1 {
			t.Errorf("%d accepted calls", n)
		}
		if n := s.AcceptedFor(sinchsim.ByMessage, "tmpl"); n != 0 {
			t.Errorf("a template counts as %d messages", n)
		}
	})
	t.Run("refusals", func(t *testing.T) {
		t.Parallel()
		s, _ := start(t, sinchsim.Options{MMS: sinchsim.MMSOptions{EncodeTime: -1}})
		id := sendMMS(t, s, save).fields["mms-id"]
		for name, tt := range map[string]struct {
			body fields
			code string
		}{
			"no name":    {save.with("name", nil), "E311"},
			"no slide":   {save.with("slide", nil), "E312"},
			"no id":      {send, "E620"},
			"unknown id": {send.with("mms-id", "999999"), "E241"},
			"bad to":     {send.with("mms-id", id).with("to", "x"), "E110"},
		} {
			if got := sendMMS(t, s, tt.body); got.fields["error-code"] != tt.code {
				t.Errorf("%s: %s, want %s", name, got.raw, tt.code)
			}
		}
		h := mmsHeader()
		h.Set("X-Api-Key", "another account")
		got, err := call(t.Context(), http.MethodPost, s.URL+"/ep/v2/", h, asJSON(t, send.with("mms-id", id)))
		if err != nil || got.fields["error-code"] != "E241" {
			t.Errorf("another account: %s, %v", got.raw, err)
		}
	})
	t.Run("forgotten", func(t *testing.T) {
		t.Parallel()
		s, _ := start(t, sinchsim.Options{MMS: sinchsim.MMSOptions{EncodeTime: -1}})
		id := sendMMS(t, s, save).fields["mms-id"]
		if got := control(t, s, http.MethodDelete, "/templates", ""); got.status != http.StatusNoContent {
			t.Fatalf("%d %s", got.status, got.raw)
		}
		if got := sendMMS(t, s, send.with("mms-id", id)); got.fields["error-code"] != "E241" {
			t.Errorf("sent: %s", got.raw)
		}
	})
	t.Run("spoilt", func(t *testing.T) {
		t.Parallel()
		s, rec := start(t, sinchsim.Options{MMS: sinchsim.MMSOptions{EncodeTime: -1}})
		s.Next(1, sinchsim.Behavior{Receipts: sinchsim.Receipts{Outcome: sinchsim.OutcomeMedia}})
		id := sendMMS(t, s, save).fields["mms-id"]
		if code := rec.next(t).fields["code"]; code != "E003" {
			t.Errorf("postback %v", code)
		}
		if got := sendMMS(t, s, send.with("mms-id", id)); got.fields["error-code"] != "E241" {
			t.Errorf("sent: %s", got.raw)
		}
	})
}

// Sinch fetches the media of every message again, but those of saved ones once.
func TestMediaFetchesAreCounted(t *testing.T) {
	t.Parallel()
	s, _ := start(t, sinchsim.Options{})
	two := []any{fields{"image": mediaOf("a.jpg")}, fields{"audio": mediaOf("b.mp3"), "message-text": "x"}}
	steps := []struct {
		name string
		body fields
		want uint64
	}{
		{"sendmms", anMMS().with("slide", two), 2},
		{"sendmms again", anMMS().with("slide", two), 4},
		{"refused", anMMS().with("slide", two).with("to", "x"), 4},
		{"refused by a rule", anMMS().with("slide", two).with("to", "12065559001"), 4},
		{"savemms", fields{"action": "savemms", "name": "n", "slide": slideOf("image", mediaOf("a.jpg"))}, 5},
	}
	var id any
	for _, step := range steps {
		id = sendMMS(t, s, step.body).fields["mms-id"]
		if got := s.Stats().MediaFetches; got != step.want {
			t.Fatalf("%s: %d, want %d", step.name, got, step.want)
		}
	}
	saved := anMMS().with("action", "sendsavedmms").with("slide", nil).with("mms-id", id)
	for range 3 {
		if got := sendMMS(t, s, saved); got.fields["status"] != "Success" {
			t.Fatal(got.raw)
		}
	}
	if got := s.Stats().MediaFetches; got != 5 {
		t.Errorf("sendsavedmms: %d, want 5", got)
	}
}
