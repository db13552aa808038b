package mmsjson_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/mmsjson"
	"mmsdispatch/internal/sinch/sinchtest"
)

const success = `{"status":"Success","tracking-id":"T"}`

func body(tb testing.TB, o mmsjson.Options, m sinch.Message) map[string]any {
	tb.Helper()
	s := sinchtest.Serve(tb, answer{Status: http.StatusOK, Body: success})
	return sinchtest.Sent(tb, s, provider(tb, s, o), m)
}

// Complete requests, as in Sinch's documentation.
func TestGoldenRequests(t *testing.T) {
	t.Parallel()
	full := photo()
	full.Subject, full.FallbackText = "Your order", "Your photo:"
	full.ExpiresAt = time.Date(2026, 11, 2, 12, 0, 0, 999, time.FixedZone("", 2*60*60))
	full.Media = append(full.Media, sinch.Media{URL: "https://media.example.com/b", ContentType: "video/mp4"},
		sinch.Media{URL: "https://media.example.com/c.pdf"})
	cases := map[string]struct {
		options mmsjson.Options
		message sinch.Message
	}{
		"least": {mmsjson.Options{DefaultSubject: "MMS"}, photo()},
		"full":  {mmsjson.Options{DefaultSubject: "MMS", CampaignID: "12345"}, full},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sinchtest.CheckGolden(t, name, body(t, tc.options, tc.message))
		})
	}
}

func TestCall(t *testing.T) {
	t.Parallel()
	_, req := send(t, mmsjson.Options{APIKey: "key-secret"}, photo(), answer{Status: 200, Body: success})
	if req.Method != http.MethodPost || req.RequestURI != "/ep/v2/" {
		t.Errorf("%s %s", req.Method, req.RequestURI)
	}
	for name, want := range map[string]string{
		"X-Api-Key": "key-secret", "Content-Type": "application/json; charset=utf-8",
		"Idempotency-Key": "", "Authorization": "",
	} {
		if got := req.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if strings.Contains(string(req.Body), "key-secret") {
		t.Error("the key is in the body")
	}
}

func TestFields(t *testing.T) {
	t.Parallel()
	with := func(change func(*sinch.Message)) sinch.Message {
		m := photo()
		change(&m)
		return m
	}
	fallback := with(func(m *sinch.Message) { m.FallbackText = "See" })
	titled := with(func(m *sinch.Message) { m.Subject = "Hi" })
	expiring := with(func(m *sinch.Message) { m.ExpiresAt = time.Unix(0, 0).In(time.FixedZone("", 3600)) })
	cases := map[string]struct {
		options mmsjson.Options
		message sinch.Message
		field   string
		want    any // nil: omitted
	}{
		"recipient without plus":      {mmsjson.Options{}, photo(), "to", "12065551212"},
		"sender without plus":         {mmsjson.Options{}, photo(), "from", "12015555555"},
		"sender is a short code":      {mmsjson.Options{}, with(func(m *sinch.Message) { m.From = "28444" }), "from", "28444"},
		"reference":                   {mmsjson.Options{}, photo(), "client-reference", "msg_1a2b-1"},
		"campaign":                    {mmsjson.Options{CampaignID: "12345"}, photo(), "service-id", "12345"},
		"no campaign":                 {mmsjson.Options{}, photo(), "service-id", nil},
		"subject":                     {mmsjson.Options{DefaultSubject: "MMS"}, titled, "message-subject", "Hi"},
		"default subject":             {mmsjson.Options{DefaultSubject: "MMS"}, photo(), "message-subject", "MMS"},
		"fallback":                    {mmsjson.Options{}, fallback, "fallback-sms-text", "See"},
		"fallback on":                 {mmsjson.Options{}, fallback, "disable-fallback-sms", false},
		"no fallback text":            {mmsjson.Options{}, photo(), "fallback-sms-text", nil},
		"no fallback":                 {mmsjson.Options{}, photo(), "disable-fallback-sms", true},
		"no expiry":                   {mmsjson.Options{}, photo(), "mms-expiry-timestamp", nil},
		"expiry in UTC":               {mmsjson.Options{}, expiring, "mms-expiry-timestamp", "1970-01-01T00:00:00Z"},
		"nothing cached or delegated": {mmsjson.Options{}, photo(), "cache-content", nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, has := body(t, tc.options, tc.message)[tc.field]
			if has != (tc.want != nil) || got != tc.want {
				t.Errorf("%s is %v (%t), want %v", tc.field, got, has, tc.want)
			}
		})
	}
}

func TestSlideKinds(t *testing.T) {
	t.Parallel()
	cases := []struct{ url, contentType, want string }{
		{"/a", "", "image"},
		{"/a.jpg", "", "image"},
		{"/a.webp", "", "image"},
		{"/a.exe", "", "image"},
		{"/a.mp3", "", "audio"},
		{"/a.WAV", "", "audio"},
		{"/a.mp4", "", "video"},
		{"/a.3gp?name=x.jpg", "", "video"},
		{"/a.mpeg", "", "video"},
		{"/a.vcf", "", "contact"},
		{"/a.ics", "", "calendar"},
		{"/a.pdf", "", "pdf"},
		{"/dir.pdf/a", "", "image"},
		{"/a.jpg", "video/mp4", "video"},
		{"/a.mp4", "image/gif", "image"},
		{"/a", "AUDIO/MPEG", "audio"},
		{"/a", "text/vcard; charset=utf-8", "contact"},
		{"/a", "text/x-vcard", "contact"},
		{"/a", "text/calendar ; method=REQUEST", "calendar"},
		{"/a", "application/pdf", "pdf"},
		{"/a.mp4", "application/octet-stream", "video"},
		{"/a.vcf", "text/plain", "contact"},
		{"/a", "application/octet-stream", "image"},
		{"/a", "nonsense", "image"},
	}
	for _, tc := range cases {
		t.Run(fmt.Sprint(tc.url, " ", tc.contentType), func(t *testing.T) {
			t.Parallel()
			m := photo()
			m.Text = ""
			m.Media = []sinch.Media{{URL: "https://media.example.com" + tc.url, ContentType: tc.contentType}}
			want := []any{map[string]any{tc.want: map[string]any{"url": m.Media[0].URL}}}
			if diff := cmp.Diff(want, body(t, mmsjson.Options{}, m)["slide"]); diff != "" {
				t.Errorf("slides (-want +got):\n%s", diff)
			}
		})
	}
}

// Every media URL has its own slide, in the given order, and the first has the text.
func TestSlides(t *testing.T) {
	t.Parallel()
	m := photo()
	m.Media = nil
	want := make([]any, 0, 8)
	for n := range 8 {
		url := fmt.Sprintf("https://media.example.com/%d.jpg", n)
		m.Media = append(m.Media, sinch.Media{URL: url})
		slide := map[string]any{"image": map[string]any{"url": url}}
		if n == 0 {
			slide["message-text"] = m.Text
		}
		want = append(want, slide)
	}
	if diff := cmp.Diff(want, body(t, mmsjson.Options{}, m)["slide"]); diff != "" {
		t.Errorf("slides (-want +got):\n%s", diff)
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	const host, local = "https://api.ci.mblox.com", "http://127.0.0.1:8080"
	cases := map[string]struct {
		options mmsjson.Options
		want    sinch.Origin
	}{
		"default":  {mmsjson.Options{}, sinch.Origin{API: sinch.APIMMS, BaseURL: host}},
		"campaign": {mmsjson.Options{CampaignID: "12345"}, sinch.Origin{API: sinch.APIMMS, BaseURL: host, Account: "12345"}},
		"override": {mmsjson.Options{BaseURL: "http://user:pass@127.0.0.1:8080/"}, sinch.Origin{API: sinch.APIMMS, BaseURL: local}},
		"simulator": {
			mmsjson.Options{API: sinch.APISimulator, BaseURL: local},
			sinch.Origin{API: sinch.APISimulator, BaseURL: local},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := mmsjson.New(tc.options).Origin(); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

// A text alone is a slide, which needs no media.
func TestTextAlone(t *testing.T) {
	t.Parallel()
	m := photo()
	m.Media = nil
	want := []any{map[string]any{"message-text": m.Text}}
	if diff := cmp.Diff(want, body(t, mmsjson.Options{}, m)["slide"]); diff != "" {
		t.Errorf("slides (-want +got):\n%s", diff)
	}
}
