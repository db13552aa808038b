package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
)

// mediaHost serves media of all sorts on loopback.
func mediaHost(t *testing.T) string {
	t.Helper()
	serve := func(contentType string, size int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Content-Length", strconv.Itoa(size))
			_, _ = w.Write(make([]byte, size))
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/good.jpg", serve("image/jpeg", 2048))
	mux.HandleFunc("/huge.jpg", serve("image/jpeg", 4096))
	mux.HandleFunc("/page.html", serve("text/html", 100))
	host := httptest.NewServer(mux)
	t.Cleanup(host.Close)
	return host.URL
}

func TestMediaAreCheckedBeforeTheCall(t *testing.T) {
	t.Parallel()
	host := mediaHost(t)
	tests := []struct {
		name, media, status string
	}{
		{"good", host + "/good.jpg?signature=abc", "delivered"},
		{"too big", host + "/huge.jpg?signature=abc", "failed"},
		{"missing", host + "/missing.jpg?signature=abc", "failed"},
		{"of no use", host + "/page.html?signature=abc", "failed"},
	}
	s := start(t, with("MEDIA_CHECK", "worker"), with("MEDIA_ALLOW_PRIVATE", "true"), with("MEDIA_MAX_BYTES", "3000"),
		with("RETRY_MAX", "1"))
	ids := make([]string, len(tests))
	for i, tt := range tests {
		ids[i] = s.send(message{"mediaUrl": tt.media})
	}
	for i, tt := range tests {
		s.on(tt.name, func(s *stack) {
			r := s.awaitStatus(ids[i], tt.status)
			if tt.status == "failed" {
				s.wantReason(r, "media", "")
				s.wantAccepted(r.ID, 0)
			}
		})
	}
}

func TestMediaOnPrivateAddressesAreNotFetched(t *testing.T) {
	t.Parallel()
	s := start(t, with("MEDIA_CHECK", "worker"), with("RETRY_MAX", "1"))
	id := s.send(message{"mediaUrl": mediaHost(t) + "/good.jpg"})
	s.wantReason(s.awaitStatus(id, "failed"), "media", "")
	s.wantAccepted(id, 0)
}
