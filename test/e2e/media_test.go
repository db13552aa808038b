package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

// mediaHost serves good and bad media, and counts requests.
type mediaHost struct {
	*httptest.Server

	requests atomic.Int64 // GET requests
	down     atomic.Bool  // /weak.jpg answers 503
	gone     atomic.Bool  // /fleeting.jpg answers 404
}

// picture begins as a JPEG.
func picture(size int) []byte {
	return append([]byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00"), bytes.Repeat([]byte{1}, size)...)
}

func startMediaHost(t *testing.T) *mediaHost {
	t.Helper()
	h := &mediaHost{}
	h.Server = httptest.NewServer(http.HandlerFunc(h.serve))
	t.Cleanup(h.Close)
	return h
}

// url is private, like all URLs of media: its query is a signature.
func (h *mediaHost) url(path string) string {
	return h.URL + path + strings.TrimPrefix(mediaURL(), "https://media.example.com/photo.jpg")
}

func (h *mediaHost) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		h.requests.Add(1)
	}
	content := picture(100)
	w.Header().Set("Content-Type", "image/jpeg")
	switch r.URL.Path {
	case "/photo.jpg":
	case "/weak.jpg":
		if h.down.Load() {
			http.Error(w, "later", http.StatusServiceUnavailable)
			return
		}
	case "/fleeting.jpg":
		if h.gone.Load() {
			http.NotFound(w, r)
			return
		}
	case "/big.jpg":
		content = picture(1 << 20)
	case "/page.jpg":
		content = []byte("<!DOCTYPE html><html>Sorry</html>")
	case "/data":
		w.Header().Set("Content-Type", "application/octet-stream")
	case "/chunked.jpg":
		_, _ = w.Write(content)
		_ = http.NewResponseController(w).Flush()
		return
	case "/round":
		http.Redirect(w, r, "/round", http.StatusFound)
		return
	default:
		http.NotFound(w, r)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// checking enables the media check, with hosts on this machine.
func checking(where string) option {
	return func(s *settings) {
		s.env["MEDIA_CHECK"] = where
		s.env["MEDIA_ALLOW_PRIVATE"] = "true"
	}
}

// wantBadMedia checks that a message failed because of a media, and that
// nobody was called for it.
func (s *stack) wantBadMedia(id, detail string) {
	s.t.Helper()
	r := s.awaitStatus(id, "failed")
	s.wantReason(r, "media", "")
	s.wantAttempts(r, 0)
	if r.Reason != nil && !strings.HasPrefix(r.Reason.Message, detail) {
		s.t.Errorf("%s because of %q, want %q", r, r.Reason.Message, detail)
	}
	if calls := s.sim.Calls(id); len(calls) > 0 {
		s.t.Errorf("Sinch was called for %s: %+v", id, calls)
	}
}

func TestMediaAreCheckedBeforeTheCall(t *testing.T) {
	t.Parallel()
	for _, api := range apis() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s, host := start(t, over(api), checking("worker")), startMediaHost(t)
			good := s.send(message{"mediaUrl": host.url("/photo.jpg")})
			bad := map[string]string{
				"/big.jpg": "media_too_large", "/page.jpg": "media_mismatch", "/data": "media_type", "/none.jpg": "media_not_found",
				"/chunked.jpg": "media_no_length", "/round": "media_redirects",
			}
			ids := map[string]string{}
			for path := range bad {
				ids[path] = s.send(message{"mediaUrl": host.url(path)})
			}
			s.awaitStatus(good, "delivered")
			s.wantAccepted(good, 1)
			for path, code := range bad {
				s.wantBadMedia(ids[path], code)
			}
			if api == mmsAPI {
				second := s.send(message{"media": []string{host.url("/photo.jpg"), host.url("/page.jpg")}})
				s.wantBadMedia(second, "media[1]: media_mismatch")
			}
		})
	}
}

func TestMediaHostThatIsDown(t *testing.T) {
	t.Parallel()
	s, host := start(t, checking("worker"), with("RETRY_MAX", "2")), startMediaHost(t)
	host.down.Store(true)
	id := s.send(message{"mediaUrl": host.url("/weak.jpg")})
	r := s.awaitMessage(id, "media trouble", func(r resource) bool { return r.Status == "queued" && r.Reason != nil })
	s.wantReason(r, "media", "")
	host.down.Store(false)
	s.wantAttempts(s.awaitStatus(id, "delivered"), 1)

	host.down.Store(true)
	s.wantBadMedia(s.send(message{"mediaUrl": host.url("/weak.jpg")}), "media_host_error")
}

func TestPrivateMediaHostIsNeverAsked(t *testing.T) {
	t.Parallel()
	s, host := start(t, with("MEDIA_CHECK", "worker")), startMediaHost(t)
	port := host.URL[strings.LastIndex(host.URL, ":"):]
	for _, name := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"} {
		s.wantBadMedia(s.send(message{"mediaUrl": "http://" + name + port + "/photo.jpg"}), "media_private_address")
	}
	if n := host.requests.Load(); n > 0 {
		t.Errorf("it got %d requests", n)
	}
}

func TestBadMediaAreRefusedAtAccept(t *testing.T) {
	t.Parallel()
	s, host := start(t, checking("accept")), startMediaHost(t)
	refused := s.want(s.post(message{"media": []string{host.url("/photo.jpg"), host.url("/page.jpg")}}), http.StatusBadRequest)
	for _, part := range []string{`"validation_failed"`, `"media[1]"`, `"invalid"`, "media_mismatch"} {
		if !bytes.Contains(refused.Body, []byte(part)) {
			t.Errorf("no %s in %s", part, refused)
		}
	}
	s.want(s.post(message{"mediaUrl": host.url("/none.jpg")}), http.StatusBadRequest)

	host.down.Store(true) // what may go away by itself is accepted
	waiting := s.send(message{"mediaUrl": host.url("/weak.jpg")})
	host.down.Store(false)
	s.awaitStatus(waiting, "delivered")

	fleeting := s.fill(message{"mediaUrl": host.url("/fleeting.jpg"), "clientReference": "order-1"})
	id := s.send(fleeting)
	host.gone.Store(true)
	s.want(s.post(fleeting), http.StatusOK)
	s.awaitStatus(id, "delivered")

	b := s.stream("", []string{fmt.Sprintf(`{"to":%q,"mediaUrl":%q}`, numberPool.Next(), host.url("/page.jpg"))})
	if b.Accepted != 1 {
		t.Errorf("%+v", b)
	}
	if done := s.awaitDone(b.ID); done.Counts["failed"] != 1 {
		t.Errorf("%+v", done)
	}
}

// TestOneFetchForManyMessages, whoever sends them.
func TestOneFetchForManyMessages(t *testing.T) {
	t.Parallel()
	s, host := start(t, checking("worker"), workers(3)), startMediaHost(t)
	url := host.url("/photo.jpg")
	s.private.add("media query", query(url))
	rows := make([]string, 300)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"to":%q,"mediaUrl":%q}`, numberPool.Next(), url)
	}
	b := s.stream("", rows)
	if done := s.awaitDone(b.ID); done.Counts["delivered"] != len(rows) {
		t.Errorf("%+v", done)
	}
	if n := host.requests.Load(); n != 1 {
		t.Errorf("the host got %d requests", n)
	}
}

func TestMediaOfTestKeysAreNotFetched(t *testing.T) {
	t.Parallel()
	s, host := start(t, checking("accept")), startMediaHost(t)
	id := s.send(message{"mediaUrl": host.url("/none.jpg")}, harness.Bearer(s.testKey))
	s.awaitStatus(id, "delivered", harness.Bearer(s.testKey))
	if n := host.requests.Load(); n > 0 {
		t.Errorf("the host got %d requests", n)
	}
}
