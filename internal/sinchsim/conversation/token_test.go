package conversation_test

import (
	"net/http"
	"strings"
	"testing"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	s := simtest.Start(t, sinchsim.Options{Conversation: sinchsim.ConversationOptions{KeyID: "key-1", KeySecret: "a:~b.", TokenBurst: 1000}})
	got := s.RequestToken(t, "key-1", "a:~b.", "grant_type=client_credentials")
	if got.Status != http.StatusOK || got.Fields["expires_in"] != 3600.0 || got.Fields["token_type"] != "bearer" {
		t.Fatalf("%d %s", got.Status, got.Raw)
	}
	for name, tt := range map[string]struct {
		id, secret, form string
		status           int
		code             string
	}{
		"no credentials": {"", "", "grant_type=client_credentials", 401, "invalid_client"},
		"wrong id":       {"key", "a:~b.", "grant_type=client_credentials", 401, "invalid_client"},
		"wrong secret":   {"key-1", "a", "grant_type=client_credentials", 401, "invalid_client"},
		"no grant":       {"key-1", "a:~b.", "", 400, "unsupported_grant_type"},
		"other grant":    {"key-1", "a:~b.", "grant_type=password", 400, "unsupported_grant_type"},
	} {
		if got := s.RequestToken(t, tt.id, tt.secret, tt.form); got.Status != tt.status || got.Fields["error"] != tt.code {
			t.Errorf("%s: %d %s", name, got.Status, got.Raw)
		}
	}
	if n := len(s.Calls(sinchsim.CallFilter{Operation: "token"})); n != 6 {
		t.Errorf("%d calls for a token recorded, want 6", n)
	}
	if st := s.Stats(); st.Calls != 0 || st.Lookups != 0 {
		t.Errorf("a token request counts as %+v", st)
	}
}

// The token endpoint has its own rate limit, and sends no Retry-After.
func TestTokensHaveARate(t *testing.T) {
	t.Parallel()
	s := simtest.Start(t, sinchsim.Options{Conversation: sinchsim.ConversationOptions{TokenBurst: 2, TokenRate: 0.001}})
	for i, want := range []int{200, 200, 429} {
		got := s.RequestToken(t, "key", "secret", "grant_type=client_credentials")
		if got.Status != want || got.Header.Get("Retry-After") != "" {
			t.Errorf("call %d: %d, Retry-After %q", i+1, got.Status, got.Header.Get("Retry-After"))
		}
	}
}

func TestTokenExpires(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{})
	old := s.AccessToken(t)
	if got := s.Conversation(t, old, http.MethodPost, sendPath, aSend()); got.Status != http.StatusOK {
		t.Fatalf("%d %s", got.Status, got.Raw)
	}
	if got := s.Control(t, http.MethodDelete, "/tokens", ""); got.Status != http.StatusNoContent {
		t.Fatalf("%d %s", got.Status, got.Raw)
	}
	got := s.Conversation(t, old, http.MethodPost, sendPath, aSend())
	if got.Status != http.StatusUnauthorized || got.Code() != "UNAUTHENTICATED" || !strings.Contains(got.Header.Get("WWW-Authenticate"), "expired") {
		t.Errorf("%d %s, %q", got.Status, got.Raw, got.Header.Get("WWW-Authenticate"))
	}
	for _, token := range []string{"", "x", old + "x", "." + old, strings.ToUpper(old)} {
		got := s.Conversation(t, token, http.MethodPost, sendPath, aSend())
		if got.Status != http.StatusUnauthorized || strings.Contains(got.Header.Get("WWW-Authenticate"), "expired") {
			t.Errorf("token %q: %d, %q", token, got.Status, got.Header.Get("WWW-Authenticate"))
		}
	}
	if got := sendConversation(t, s, aSend()); got.Status != http.StatusOK {
		t.Errorf("with a new one: %d %s", got.Status, got.Raw)
	}
	if n := s.Stats().Accepted; n != 2 {
		t.Errorf("%d accepted, want 2", n)
	}
}
