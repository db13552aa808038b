package mms_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

func slideOf(kv ...any) []any {
	s := simtest.Fields{}
	for i := 0; i < len(kv); i += 2 {
		s[kv[i].(string)] = kv[i+1]
	}
	return []any{s}
}

func mediaOf(name string) simtest.Fields {
	return simtest.Fields{"url": "https://media.example.com/" + name}
}

func TestMMSAccepts(t *testing.T) {
	t.Parallel()
	s, rec := simtest.StartWithReceiver(t, sinchsim.Options{})
	got := s.SendMMS(t, simtest.MMS())
	if got.Status != http.StatusOK || got.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Fatalf("status %d, type %q", got.Status, got.Header.Get("Content-Type"))
	}
	id, _ := got.Fields["tracking-id"].(string)
	mmsID, _ := got.Fields["mms-id"].(string)
	want := map[string]any{
		"status": "Success", "to": "12065551212", "from": "28444", "mms-id": mmsID, "tracking-id": id,
		"status-details": "MMS request accepted and queued for delivery",
	}
	if diff := cmp.Diff(want, got.Fields); diff != "" || id == "" || mmsID == "" {
		t.Fatalf("answer (-want +got):\n%s", diff)
	}
	for _, code := range []string{"N101", "N102"} {
		p := rec.Next(t)
		status, details := "Sent", "Message Sent"
		if code == "N102" {
			status, details = "Delivered", "Message Delivered"
		}
		at, _ := p.Fields["timestamp"].(string)
		if _, err := time.Parse(time.RFC3339, at); err != nil {
			t.Errorf("timestamp: %v", err)
		}
		want := map[string]any{
			"origin": "MMS_MT", "code": code, "sent-as": "MMS", "status": status, "status-details": details,
			"from": "28444", "to": "12065551212", "mms-id": mmsID, "tracking-id": id,
			"client-reference": "msg_a-1", "operator-id": "31003", "timestamp": at,
		}
		if diff := cmp.Diff(want, p.Fields); diff != "" {
			t.Errorf("receipt %s (-want +got):\n%s", code, diff)
		}
		if p.Query != "token=t" {
			t.Errorf("query %q", p.Query)
		}
	}
	if again := s.SendMMS(t, simtest.MMS()).Fields["tracking-id"]; again == id {
		t.Errorf("tracking id %v came twice", again)
	}
}

func TestMMSRefuses(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{MMS: sinchsim.MMSOptions{APIKey: simtest.APIKey, ServiceID: "c-1"}})
	m := simtest.MMS()
	image := mediaOf("a.jpg")
	tests := map[string]struct {
		body simtest.Fields
		code string
	}{
		"action missing":          {m.With("action", nil), "E107"},
		"action in capitals":      {m.With("action", "sendMMS"), "E107"},
		"campaign missing":        {m.With("service-id", nil), "E627"},
		"campaign of another":     {m.With("service-id", "c-2"), "E627"},
		"to missing":              {m.With("to", nil), "E110"},
		"to with plus":            {m.With("to", "+12065551212"), "E110"},
		"to with zeros":           {m.With("to", "0012065551212"), "E110"},
		"to with space":           {m.With("to", "1206 5551212"), "E110"},
		"to too long":             {m.With("to", "1206555121212345"), "E110"},
		"to other digits":         {m.With("to", "١٢٠٦٥٥٥١٢١٢"), "E110"},
		"to as number":            {m.With("to", 12065551212), "E108"},
		"to as list":              {m.With("to", []any{"12065551212"}), "E108"},
		"display-only bad":        {m.With("to-displayonly", "12065551212,x"), "E110"},
		"from missing":            {m.With("from", nil), "E111"},
		"from with plus":          {m.With("from", "+28444"), "E111"},
		"mask too long":           {m.With("from-mask", strings.Repeat("a", 51)), "E115"},
		"subject too long":        {m.With("message-subject", strings.Repeat("é", 81)), "E314"},
		"fallback missing":        {m.With("disable-fallback-sms", nil), "E622"},
		"flag as text":            {m.With("disable-fallback-sms", "true"), "E108"},
		"expiry unreadable":       {m.With("mms-expiry-timestamp", "tomorrow"), "E108"},
		"link expiration too far": {m.With("fallback-sms-link-expiration", "2199-01-01T00:00:00Z"), "E108"},
		"reference too long":      {m.With("client-reference", strings.Repeat("a", 65)), "E108"},
		"slides missing":          {m.With("slide", nil), "E312"},
		"slides empty":            {m.With("slide", []any{}), "E312"},
		"nine slides":             {m.With("slide", slices9(image)), "E225"},
		"slide as object":         {m.With("slide", simtest.Fields{"image": image}), "E108"},
		"slide empty":             {m.With("slide", slideOf()), "E313"},
		"slide unknown kind":      {m.With("slide", slideOf("hologram", image)), "E313"},
		"text too long":           {m.With("slide", slideOf("message-text", strings.Repeat("a", 5001))), "E334"},
		"image and video":         {m.With("slide", slideOf("image", image, "video", image)), "E227"},
		"audio and video":         {m.With("slide", slideOf("audio", image, "video", image)), "E226"},
		"two objects":             {m.With("slide", slideOf("pdf", image, "vcard", image)), "E223"},
		"object and image":        {m.With("slide", slideOf("pdf", image, "image", image)), "E224"},
		"duration":                {m.With("slide", slideOf("image", image, "duration", 0)), "E230"},
		"image without url":       {m.With("slide", slideOf("image", simtest.Fields{})), "E351"},
		"audio not http":          {m.With("slide", slideOf("audio", simtest.Fields{"url": "ftp://x/a"})), "E352"},
		"video without host":      {m.With("slide", slideOf("video", simtest.Fields{"url": "http:///a"})), "E353"},
		"contact with space":      {m.With("slide", slideOf("contact", simtest.Fields{"url": "http://x/a b"})), "E355"},
		"calendar empty":          {m.With("slide", slideOf("calendar", simtest.Fields{"url": ""})), "E356"},
		"pdf empty":               {m.With("slide", slideOf("pdf", simtest.Fields{"url": ""})), "E357"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := s.SendMMS(t, tt.body)
			if got.Status != http.StatusOK || got.Fields["status"] != "Failure" || got.Fields["error-code"] != tt.code {
				t.Fatalf("got %d %s, want %s", got.Status, got.Raw, tt.code)
			}
			if info, _ := got.Fields["error-info"].(string); info == "" || got.Fields["tracking-id"] != nil {
				t.Errorf("answer %s", got.Raw)
			}
		})
	}
	t.Cleanup(func() {
		if n := s.Stats().Accepted; n != 0 {
			t.Errorf("%d calls were accepted", n)
		}
	})
}

func slices9(image simtest.Fields) []any {
	var all []any
	for range 9 {
		all = append(all, simtest.Fields{"image": image})
	}
	return all
}

func TestMMSEdgesThatPass(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{})
	m := simtest.MMS()
	for name, body := range map[string]simtest.Fields{
		"no campaign":      m.With("service-id", nil),
		"no subject":       m.With("message-subject", nil),
		"subject of 80":    m.With("message-subject", strings.Repeat("é", 80)),
		"fallback":         m.With("disable-fallback-sms", nil).With("fallback-sms-text", "see"),
		"eight slides":     m.With("slide", slices9(mediaOf("a"))[:8]),
		"text only":        m.With("slide", slideOf("message-text", strings.Repeat("é", 5000))),
		"image and audio":  m.With("slide", slideOf("image", mediaOf("a"), "audio", mediaOf("b"))),
		"reference of 64":  m.With("client-reference", strings.Repeat("a", 64)),
		"field of tomorro": m.With("new-field", 1),
	} {
		if got := s.SendMMS(t, body); got.Fields["status"] != "Success" {
			t.Errorf("%s: %s", name, got.Raw)
		}
	}
}

func TestMMSTransport(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{MMS: sinchsim.MMSOptions{APIKey: simtest.APIKey}})
	good := string(simtest.JSON(t, simtest.MMS()))
	header := func(change func(http.Header)) http.Header {
		h := simtest.MMSHeader()
		change(h)
		return h
	}
	tests := map[string]struct {
		method, path, body string
		header             http.Header
		code               any
	}{
		"no final slash":   {"POST", "/ep/v2", good, simtest.MMSHeader(), nil},
		"get":              {"GET", "/ep/v2/", "", simtest.MMSHeader(), "E100"},
		"form":             {"POST", "/ep/v2/", good, header(func(h http.Header) { h.Set("Content-Type", "text/plain") }), "E100"},
		"no key":           {"POST", "/ep/v2/", good, header(func(h http.Header) { h.Del("X-Api-Key") }), "E104"},
		"other key":        {"POST", "/ep/v2/", good, header(func(h http.Header) { h.Set("X-Api-Key", "key-2") }), "E104"},
		"key in the query": {"POST", "/ep/v2/?x-api-key=" + simtest.APIKey, good, header(func(h http.Header) { h.Del("X-Api-Key") }), "E104"},
		"bad key wins":     {"POST", "/ep/v2/", "{", header(func(h http.Header) { h.Set("X-Api-Key", "") }), "E104"},
		"empty":            {"POST", "/ep/v2/", "", simtest.MMSHeader(), "E108"},
		"cut":              {"POST", "/ep/v2/", good[:40], simtest.MMSHeader(), "E108"},
		"two objects":      {"POST", "/ep/v2/", good + good, simtest.MMSHeader(), "E108"},
		"array":            {"POST", "/ep/v2/", "[]", simtest.MMSHeader(), "E108"},
		"name twice":       {"POST", "/ep/v2/", `{"action":"sendmms","action":"sendmms"}`, simtest.MMSHeader(), "E108"},
		"not utf-8":        {"POST", "/ep/v2/", "{\"action\":\"\xff\"}", simtest.MMSHeader(), "E108"},
		"too large":        {"POST", "/ep/v2/", strings.Repeat(" ", 1<<20) + good, simtest.MMSHeader(), "E108"},
		"names have case":  {"POST", "/ep/v2/", strings.Replace(good, `"to"`, `"To"`, 1), simtest.MMSHeader(), "E110"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := simtest.Call(t.Context(), tt.method, s.URL+tt.path, tt.header, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if got.Status != http.StatusOK || got.Fields["error-code"] != tt.code {
				t.Fatalf("got %d %s, want %v", got.Status, got.Raw, tt.code)
			}
		})
	}
}

func TestMMSExpiredMessageIsNotDelivered(t *testing.T) {
	t.Parallel()
	s, rec := simtest.StartWithReceiver(t, sinchsim.Options{})
	s.SendMMS(t, simtest.MMS().With("mms-expiry-timestamp", "2020-01-01T00:00:00Z"))
	if diff := cmp.Diff([]any{"N101", "N103"}, rec.Codes(t, 2)); diff != "" {
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
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{FetchMedia: true})
	for path, code := range map[string]any{"/good": nil, "/chunked": "E351", "/missing": "E351"} {
		got := s.SendMMS(t, simtest.MMS().With("slide", slideOf("image", simtest.Fields{"url": media.URL + path})))
		if got.Fields["error-code"] != code {
			t.Errorf("%s: %s", path, got.Raw)
		}
	}
}
