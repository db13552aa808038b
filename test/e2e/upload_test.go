package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"image/jpeg"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

// upload is an answer of /v1/media.
type upload struct {
	ID, URL, Type, SHA256, ExpiresAt string
	Bytes                            int64
	Width, Height                    *int
}

// jpegOf is a JPEG of a size, plain but for a pattern.
func jpegOf(t *testing.T, width, height int) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, width, height))
	for i := range m.Pix {
		m.Pix[i] = byte(i * i >> 3)
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// request makes one request with the key of the stack, and returns the answer with
// its body read.
func (s *stack) request(method, url, contentType string, body []byte, headers ...harness.Header) (*http.Response, []byte) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if strings.HasPrefix(url, s.base+"/v1/") {
		req.Header.Set("Authorization", "Bearer "+s.key)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for _, h := range headers {
		req.Header.Set(h.Name, h.Value)
	}
	res, err := http.DefaultClient.Do(req) //nolint:forbidigo // a test
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res, answer
}

// uploaded uploads a file.
func (s *stack) uploaded(contentType string, file []byte, status int) upload {
	s.t.Helper()
	res, body := s.request(http.MethodPost, s.base+"/v1/media", contentType, file)
	var got upload
	s.read(s.want(harness.Answer{Status: res.StatusCode, Header: res.Header, Body: body}, status), &got)
	return got
}

func TestUploadedMedia(t *testing.T) {
	t.Parallel()
	stores := map[string]string{"redis": "", "file": "file://" + t.TempDir()}
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, with("MEDIA_STORE", store))
			file := jpegOf(t, 40, 30)
			got := s.uploaded("image/jpeg", file, http.StatusCreated)
			sum := sha256.Sum256(file)
			if !strings.HasPrefix(got.URL, s.base+"/m/") || got.Type != "image/jpeg" || got.Bytes != int64(len(file)) ||
				got.SHA256 != hex.EncodeToString(sum[:]) || got.Width == nil || *got.Width != 40 || *got.Height != 30 {
				t.Errorf("%+v", got)
			}
			if again := s.uploaded("application/octet-stream", file, http.StatusOK); again.ID != got.ID || again.URL != got.URL {
				t.Errorf("the same bytes are %+v and %+v", got, again)
			}
			s.wantHosted(got, file)
			if res, _ := s.request(http.MethodGet, s.base+"/v1/media/"+got.ID, "", nil); res.StatusCode != http.StatusOK {
				t.Errorf("the resource: %d", res.StatusCode)
			}
			if res, _ := s.request(http.MethodDelete, s.base+"/v1/media/"+got.ID, "", nil); res.StatusCode != http.StatusNoContent {
				t.Errorf("deleted with %d", res.StatusCode)
			}
			for _, url := range []string{got.URL, s.base + "/v1/media/" + got.ID} {
				if res, _ := s.request(http.MethodGet, url, "", nil); res.StatusCode != http.StatusNotFound {
					t.Errorf("%s after it was deleted: %d", url, res.StatusCode)
				}
			}
		})
	}
}

// wantHosted checks what a link answers.
func (s *stack) wantHosted(media upload, file []byte) {
	s.t.Helper()
	res, body := s.request(http.MethodGet, media.URL, "", nil)
	if res.StatusCode != http.StatusOK || !bytes.Equal(body, file) || res.ContentLength != int64(len(file)) {
		s.t.Errorf("GET: %d, %d bytes", res.StatusCode, len(body))
	}
	tag := res.Header.Get("ETag")
	for name, want := range map[string]string{
		"Content-Type": media.Type, "X-Content-Type-Options": "nosniff", "Content-Disposition": "inline", "Accept-Ranges": "bytes",
	} {
		if res.Header.Get(name) != want {
			s.t.Errorf("%s is %q, want %q", name, res.Header.Get(name), want)
		}
	}
	if !strings.Contains(res.Header.Get("Content-Security-Policy"), "sandbox") || !strings.Contains(res.Header.Get("Cache-Control"), "max-age=") || tag == "" {
		s.t.Errorf("%v", res.Header)
	}
	res, body = s.request(http.MethodHead, media.URL, "", nil)
	if res.StatusCode != http.StatusOK || len(body) > 0 || res.ContentLength != int64(len(file)) {
		s.t.Errorf("HEAD: %d, %d bytes, length %d", res.StatusCode, len(body), res.ContentLength)
	}
	res, body = s.request(http.MethodGet, media.URL, "", nil, harness.Header{Name: "Range", Value: "bytes=2-5"})
	if res.StatusCode != http.StatusPartialContent || !bytes.Equal(body, file[2:6]) {
		s.t.Errorf("a range: %d, %x", res.StatusCode, body)
	}
	if res, _ = s.request(http.MethodGet, media.URL, "", nil, harness.Header{Name: "If-None-Match", Value: tag}); res.StatusCode != http.StatusNotModified {
		s.t.Errorf("a condition: %d", res.StatusCode)
	}
	if res, _ = s.request(http.MethodGet, s.base+"/m/"+strings.Repeat("0", 52)+".jpg", "", nil); res.StatusCode != http.StatusNotFound {
		s.t.Errorf("a guess: %d", res.StatusCode)
	}
}

func TestUploadsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	tests := map[string]struct {
		contentType string
		body        []byte
		status      int
	}{
		"page":              {"image/jpeg", []byte("<!DOCTYPE html><html><script>alert(1)</script></html>"), http.StatusUnsupportedMediaType},
		"vector":            {"image/svg+xml", []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), http.StatusUnsupportedMediaType},
		"nothing":           {"image/jpeg", nil, http.StatusBadRequest},
		"too large":         {"image/jpeg", append(jpegOf(t, 8, 8), make([]byte, 20<<20)...), http.StatusRequestEntityTooLarge},
		"broken":            {"image/jpeg", []byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00"), http.StatusUnsupportedMediaType},
		"form without file": {"multipart/form-data; boundary=x", []byte("--x--\r\n"), http.StatusBadRequest},
	}
	for name, tt := range tests {
		res, body := s.request(http.MethodPost, s.base+"/v1/media", tt.contentType, tt.body)
		if res.StatusCode != tt.status {
			t.Errorf("%s: %d %s", name, res.StatusCode, body)
		}
	}
	unknown := "med_" + strings.Repeat("0", 26)
	for _, id := range []string{unknown, "med_x"} {
		got := s.post(message{"mediaUrl": id})
		if got.Status != http.StatusBadRequest || !strings.Contains(string(got.Body), "media_unknown") {
			t.Errorf("a message with %s: %s", id, got)
		}
	}
}

func TestUploadsAreSent(t *testing.T) {
	t.Parallel()
	sinch := startFetchingSinch(t)
	s := start(t, callsTo(sinch))
	file := jpegOf(t, 60, 40)
	var form bytes.Buffer
	writer := multipart.NewWriter(&form)
	part, err := writer.CreateFormFile("file", "menu.jpg")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(file)
	_ = writer.Close()
	media := s.uploaded(writer.FormDataContentType(), form.Bytes(), http.StatusCreated)

	now := s.lookUp(s.send(message{"to": "+12065551001", "mediaUrl": media.ID}))
	waits := s.send(message{"to": "+12065551002", "media": []string{media.ID}, "sendAt": time.Now().Add(4 * time.Second).Format(time.RFC3339)})
	s.awaitStatus(now.ID, "sent")
	if res, _ := s.request(http.MethodDelete, s.base+"/v1/media/"+media.ID, "", nil); res.StatusCode != http.StatusNoContent {
		t.Fatalf("deleted with %d", res.StatusCode)
	}
	s.awaitStatus(waits, "sent")
	for _, to := range []string{"+12065551001", "+12065551002"} {
		got := sinch.of(t, to)
		if len(got) != 1 || !bytes.Equal(got[0].data, file) || !strings.HasPrefix(got[0].url, s.base+"/m/") || got[0].url == media.URL {
			t.Errorf("%s: %+v", to, got)
		}
	}
	if got := s.post(message{"mediaUrl": media.ID}); got.Status != http.StatusBadRequest {
		t.Errorf("a message with a deleted media: %s", got)
	}
}
