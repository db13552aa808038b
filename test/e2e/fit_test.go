package e2e_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// noisy is a picture that no encoder makes small.
func noisy(width, height int) *image.NRGBA {
	noise := rand.New(rand.NewPCG(1, 2))
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range m.Pix {
		m.Pix[i] = byte(noise.IntN(256)) | 0x0f
		if i%4 == 3 {
			m.Pix[i] = 255
		}
	}
	return m
}

func fitting(limit string) option {
	return func(s *settings) {
		s.env["MEDIA_FIT"], s.env["MEDIA_ALLOW_PRIVATE"], s.env["MEDIA_MAX_BYTES"] = "on", "true", limit
	}
}

func TestMediaAreMadeToFit(t *testing.T) {
	t.Parallel()
	const limit = 60_000
	var large bytes.Buffer
	if err := png.Encode(&large, noisy(400, 300)); err != nil {
		t.Fatal(err)
	}
	small := jpegOf(t, 60, 40)
	var requests atomic.Int64
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content := large.Bytes()
		switch r.URL.Path {
		case "/large", "/large-too": // chunked, and of no type
			requests.Add(1)
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = w.Write(content[:1000])
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write(content[1000:])
			return
		case "/small.jpg":
			content = small
		case "/broken.png":
			content = append(content[:len(content)/2:len(content)/2], 0)
		case "/page.jpg":
			content = []byte("<!DOCTYPE html><html>Sorry</html>")
		}
		w.Header().Set("Content-Type", "image/jpeg")
		_, _ = w.Write(content)
	}))
	t.Cleanup(host.Close)
	sinch := startFetchingSinch(t)
	s := start(t, callsTo(sinch), fitting("60000"), func(s *settings) { s.workers = 2 })

	ids := map[string]string{}
	for _, to := range []string{"+12065551101", "+12065551102", "+12065551103", "+12065551104"} {
		ids[to] = s.send(message{"to": to, "mediaUrl": host.URL + "/large"})
	}
	ids["+12065551105"] = s.send(message{"to": "+12065551105", "mediaUrl": host.URL + "/small.jpg"})
	ids["+12065551106"] = s.send(message{"to": "+12065551106", "media": []string{host.URL + "/large", host.URL + "/small.jpg", host.URL + "/large-too"}})
	upload := s.uploaded("image/png", large.Bytes(), http.StatusCreated)
	ids["+12065551107"] = s.send(message{"to": "+12065551107", "mediaUrl": upload.ID})
	bad := map[string]string{
		"media_broken": s.send(message{"mediaUrl": host.URL + "/broken.png"}), "media_type": s.send(message{"mediaUrl": host.URL + "/page.jpg"}),
	}
	for to, id := range ids {
		s.awaitStatus(id, "sent")
		total := 0
		for _, media := range sinch.of(t, to) {
			total += len(media.data)
			if _, err := jpeg.Decode(bytes.NewReader(media.data)); err != nil {
				t.Errorf("%s got no JPEG: %v", to, err)
			}
			if strings.Contains(media.url, "/small.jpg") != bytes.Equal(media.data, small) {
				t.Errorf("%s: %s", to, media.url)
			}
		}
		if total == 0 || total > limit {
			t.Errorf("%s got %d bytes", to, total)
		}
	}
	for code, id := range bad {
		s.wantBadMedia(id, code)
	}
	// Each of the two URLs once, and once more for their share of one message.
	if n := requests.Load(); n != 4 {
		t.Errorf("the host got %d requests", n)
	}
}
