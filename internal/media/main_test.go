package media

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mmsdispatch/internal/egress"
	"mmsdispatch/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }

// The beginnings of files.
const (
	jpegBytes = "\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
	pngBytes  = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"
	htmlBytes = "<!DOCTYPE html><html><body>Sorry</body></html>"
)

// file is a complete file of n bytes with a beginning.
func file(first string, n int) []byte {
	return append([]byte(first), bytes.Repeat([]byte{0x11}, max(0, n-len(first)))...)
}

// serve starts a media host.
func serve(tb testing.TB, handler http.HandlerFunc) *httptest.Server {
	tb.Helper()
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	return server
}

// serveFile serves one file as common hosts do, with HEAD and ranges.
func serveFile(contentType string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		http.ServeContent(w, r, "", timeZero, bytes.NewReader(content))
	}
}

// answer sends the same response to every request.
func answer(status int, header map[string]string, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range maps.All(header) {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// fetcher treats loopback as a public address.
func fetcher(tb testing.TB, o Options) *Fetcher {
	tb.Helper()
	if o.MaxBytes == 0 {
		o.MaxBytes = 1 << 20
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute // a loaded machine must not look like a slow host
	}
	f := newFetcher(o, func(addr netip.Addr) bool { return addr.IsLoopback() || egress.Public(addr) })
	tb.Cleanup(f.Close)
	return f
}

// private is in every URL of the tests and must be in no error.
const private = "signature-5e2d"

func (f *Fetcher) mustCheck(tb testing.TB, address string) (Info, Code) {
	tb.Helper()
	info, err := f.Check(tb.Context(), address)
	if err == nil {
		return info, ""
	}
	bad, ok := err.(*Error) //nolint:errorlint // Check returns it unwrapped
	if !ok {
		tb.Fatalf("%s: error %T %v", address, err, err)
	}
	if strings.Contains(err.Error(), private) {
		tb.Errorf("%v gives the query away", err)
	}
	return info, bad.Code
}
