package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"mmsdispatch/internal/httpapi"
)

// A token that would fit if it were URL-encoded at Sinch is refused, and the hint
// is logged once, without the token.
func TestTokenThatIsNotEncodedIsLoggedOnce(t *testing.T) {
	t.Parallel()
	for query, hinted := range map[string]bool{
		"token=abc+def/==":         true, // pasted as it is
		"token=abc%252Bdef%2F%3D=": true, // encoded twice in part
		"token=abc%252Bdef/%3D%3D": true,
		"token=abc+deg/==":         false,
		"token=":                   false,
		"tokens=abc+def/==":        false,
		"token=%zz":                false,
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			b := setup(t, webhookWith(httpapi.WebhookOptions{Token: "abc+def/=="}))
			for range 3 {
				got := b.do(t, request{method: http.MethodPost, path: "/webhooks/sinch/dlr?" + query, body: `{"code":"N101"}`})
				if got.status != http.StatusUnauthorized {
					t.Fatalf("status %d", got.status)
				}
			}
			lines := strings.Count(b.log.String(), "fits only after another URL-decoding")
			if want := map[bool]int{true: 1}[hinted]; lines != want {
				t.Errorf("%d lines, want %d", lines, want)
			}
			if strings.Contains(b.log.String(), "def") {
				t.Errorf("the token is in the log: %s", b.log)
			}
		})
	}
	b := setup(t, webhookWith(httpapi.WebhookOptions{Token: "abc+def/=="}))
	got := b.do(t, request{method: http.MethodPost, path: "/webhooks/sinch/dlr?token=abc%2Bdef%2F%3D%3D", body: `{"code":"N101"}`})
	if got.status != http.StatusOK {
		t.Errorf("encoded as it should be: %d", got.status)
	}
}
