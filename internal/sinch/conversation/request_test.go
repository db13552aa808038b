package conversation_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/conversation"
	"mmsdispatch/internal/sinch/sinchtest"
)

// Complete requests, as in Sinch's documentation.
func TestGoldenRequests(t *testing.T) {
	t.Parallel()
	full := photo()
	full.Subject, full.Text, full.FallbackText = "Your order", "Hi, & bye", "Your order is here"
	full.ExpiresAt = now.Add(time.Hour).In(time.FixedZone("", 2*60*60))
	cases := map[string]struct {
		options conversation.Options
		message sinch.Message
	}{
		"least": {conversation.Options{}, photo()},
		"full":  {conversation.Options{CallbackURL: "https://hooks.example.com/webhooks/sinch/dlr?token=x"}, full},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sinchtest.CheckGolden(t, name, sent(t, tc.options, tc.message))
		})
	}
}

// A message with a text or a subject is a card.
func TestContent(t *testing.T) {
	t.Parallel()
	media := map[string]any{"url": "https://media.example.com/a.jpg?x=1&y=2"}
	for name, tc := range map[string]struct {
		subject, text string
		want          map[string]any
	}{
		"media alone": {"", "", map[string]any{"media_message": media}},
		"text":        {"", "Hello", map[string]any{"card_message": map[string]any{"description": "Hello", "media_message": media}}},
		"subject":     {"Hi", "", map[string]any{"card_message": map[string]any{"title": "Hi", "media_message": media}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := photo()
			m.Subject, m.Text = tc.subject, tc.text
			if diff := cmp.Diff(tc.want, sent(t, conversation.Options{}, m)["message"]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCall(t *testing.T) {
	t.Parallel()
	s := serve(t, answer{Status: http.StatusOK, Body: accepted})
	o := conversation.Options{ProjectID: "project/1", AppID: "app", KeyID: "key-1", KeySecret: "key:~secret."}
	s.provider(t, o).Send(t.Context(), photo())
	req := s.Requests()[0]
	if req.Method != http.MethodPost || req.RequestURI != "/v1/projects/project%2F1/messages:send" {
		t.Errorf("%s %s", req.Method, req.RequestURI)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer token-1", "Content-Type": "application/json", "Idempotency-Key": "", "X-Api-Key": "",
	} {
		if got := req.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if strings.Contains(string(req.Body), "token-1") {
		t.Error("the token is in the body")
	}
	req = s.RequestsTo(tokenPath)[0]
	if id, secret, _ := req.BasicAuth(); id != "key-1" || secret != "key:~secret." {
		t.Errorf("credentials %q %q", id, secret)
	}
	if string(req.Body) != "grant_type=client_credentials" || req.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		t.Errorf("token requested with %s %q", req.Header.Get("Content-Type"), req.Body)
	}
}

// This API accepts one media URL; any other number makes no call.
func TestNumberOfMedia(t *testing.T) {
	t.Parallel()
	s := serve(t, answer{Status: http.StatusOK, Body: accepted})
	p := s.provider(t, conversation.Options{})
	for _, n := range []int{0, 2, 8} {
		m := photo()
		m.Media = make([]sinch.Media, n)
		if got := p.Send(t.Context(), m); got.Kind != sinch.Refused || got.Code != sinch.ReasonContent {
			t.Errorf("%d media: %+v", n, got)
		}
	}
	if n := len(s.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// Sinch accepts whole seconds, three at least.
func TestLife(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		left time.Duration
		want any
	}{
		"a day":            {24 * time.Hour, "86400s"},
		"and a bit":        {24*time.Hour + 900*time.Millisecond, "86400s"},
		"three seconds":    {3 * time.Second, "3s"},
		"a second":         {time.Second, "3s"},
		"over":             {-time.Hour, "3s"},
		"a hundred years":  {100 * 365 * 24 * time.Hour, "3153600000s"},
		"none, by default": {0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := photo()
			if tc.left != 0 {
				m.ExpiresAt = now.Add(tc.left)
			}
			if got := sent(t, conversation.Options{}, m)["ttl"]; got != tc.want {
				t.Errorf("ttl is %v, want %v", got, tc.want)
			}
		})
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	const local = "http://127.0.0.1:1"
	cases := map[string]struct {
		options conversation.Options
		want    sinch.Origin
	}{
		"default": {
			conversation.Options{ProjectID: "p", AppID: "a"},
			sinch.Origin{API: sinch.APIConversation, BaseURL: "https://us.conversation.api.sinch.com", Account: "p/a"},
		},
		"region": {
			conversation.Options{ProjectID: "p", AppID: "a", Region: "eu"},
			sinch.Origin{API: sinch.APIConversation, BaseURL: "https://eu.conversation.api.sinch.com", Account: "p/a"},
		},
		"override": {
			conversation.Options{ProjectID: "p", AppID: "b", BaseURL: local + "/"},
			sinch.Origin{API: sinch.APIConversation, BaseURL: local, Account: "p/b"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := conversation.New(tc.options).Origin(); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

// A text alone is a text message on the channel MMS.
func TestTextAlone(t *testing.T) {
	t.Parallel()
	m := photo()
	m.Media, m.Text = nil, "Hello"
	got := sent(t, conversation.Options{}, m)
	want := map[string]any{"text_message": map[string]any{"text": "Hello"}}
	if diff := cmp.Diff(want, got["message"]); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{"MMS"}, got["channel_priority_order"]); diff != "" {
		t.Errorf("channels (-want +got):\n%s", diff)
	}
}
