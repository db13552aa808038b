package media

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log" //nolint:depguard // required by net/http
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var timeZero time.Time

func TestCheck(t *testing.T) {
	t.Parallel()
	picture := file(jpegBytes, 50_000)
	tests := map[string]struct {
		host http.HandlerFunc
		want Code
		size int64
	}{
		"a picture":           {host: serveFile("image/jpeg", picture), size: 50_000},
		"a tiny picture":      {host: serveFile("image/jpeg", file(jpegBytes, 30)), size: 30},
		"just small enough":   {host: serveFile("image/jpeg", file(jpegBytes, 1<<20)), size: 1 << 20},
		"one byte too large":  {host: serveFile("image/jpeg", file(jpegBytes, 1<<20+1)), want: CodeTooLarge},
		"parameters and case": {host: serveFile("Image/JPEG; name=a.jpg", picture), size: 50_000},
		"another name":        {host: serveFile("image/jpg", picture), size: 50_000},
		"chunked": {host: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/jpeg")
			_, _ = w.Write(picture)
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write(picture)
		}, want: CodeNoLength},
		"empty": {host: serveFile("image/jpeg", nil), want: CodeEmpty},

		"no content type":      {host: answer(http.StatusOK, map[string]string{"Content-Type": ""}, jpegBytes), want: CodeType},
		"octet-stream":         {host: serveFile("application/octet-stream", picture), want: CodeType},
		"a page":               {host: serveFile("text/html", []byte(htmlBytes)), want: CodeType},
		"an unreadable type":   {host: serveFile("image/jpeg;;;=", picture), want: CodeType},
		"bitmap":               {host: serveFile("image/bmp", []byte("BM\x00\x00\x00\x00")), want: CodeType},
		"a page as a picture":  {host: serveFile("image/jpeg", []byte(htmlBytes)), want: CodeMismatch},
		"another picture":      {host: serveFile("image/jpeg", file(pngBytes, 500)), want: CodeMismatch},
		"garbage as a picture": {host: serveFile("image/jpeg", file("\x01\x02", 500)), want: CodeMismatch},

		"not found":      {host: http.NotFound, want: CodeNotFound},
		"gone":           {host: answer(http.StatusGone, nil, ""), want: CodeNotFound},
		"not authorized": {host: answer(http.StatusUnauthorized, nil, ""), want: CodeRefused},
		"forbidden":      {host: answer(http.StatusForbidden, nil, ""), want: CodeRefused},
		"no content":     {host: answer(http.StatusNoContent, nil, ""), want: CodeRefused},
		"throttled":      {host: answer(http.StatusTooManyRequests, nil, ""), want: CodeHostError},
		"broken":         {host: answer(http.StatusBadGateway, nil, ""), want: CodeHostError},
		"cut off": {host: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "image/jpeg")
			w.Header().Set("Content-Length", "50000")
			if r.Method == http.MethodGet {
				_, _ = io.WriteString(w, jpegBytes)
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			}
		}, want: CodeUnreachable},
		"hung up": {host: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, want: CodeUnreachable},

		"redirected to nowhere":  {host: answer(http.StatusFound, nil, ""), want: CodeRedirects},
		"redirected to a file":   {host: answer(http.StatusFound, map[string]string{"Location": "file:///etc/passwd"}, ""), want: CodeRedirects},
		"redirected with a user": {host: answer(http.StatusFound, map[string]string{"Location": "http://a:b@127.0.0.1/"}, ""), want: CodeRedirects},
		"redirected for ever":    {host: answer(http.StatusTemporaryRedirect, map[string]string{"Location": "/again"}, ""), want: CodeRedirects},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, tt.host)
			info, code := fetcher(t, Options{}).mustCheck(t, server.URL+"/a.jpg?"+private)
			want := Info{}
			if tt.want == "" {
				want = Info{Type: "image/jpeg", Size: tt.size}
			}
			if code != tt.want || info != want {
				t.Errorf("got %+v %q, want %+v %q", info, code, want, tt.want)
			}
		})
	}
}

// raw sends a response that net/http would not.
func raw(w http.ResponseWriter, text string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, text)
	_ = conn.Close()
}

// TestRedirects: the allowed number leads to the media, and no host gets the URL
// before.
func TestRedirects(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Referer") != "" {
			t.Errorf("Referer %s", r.Header.Get("Referer"))
		}
		hops, _ := strconv.Atoi(r.URL.Path[1:])
		if hops == 0 {
			serveFile("image/jpeg", file(jpegBytes, 100))(w, r)
			return
		}
		http.Redirect(w, r, "/"+strconv.Itoa(hops-1)+"?"+private, http.StatusFound)
	})
	f := fetcher(t, Options{})
	for hops, want := range map[int]Code{0: "", maxRedirects: "", maxRedirects + 1: CodeRedirects} {
		if _, code := f.mustCheck(t, server.URL+"/"+strconv.Itoa(hops)+"?"+private); code != want {
			t.Errorf("%d redirects: %q, want %q", hops, code, want)
		}
	}
}

// TestLittleIsRead: of a large media only the beginning is transferred, even if the
// host does not support ranges.
func TestLittleIsRead(t *testing.T) {
	t.Parallel()
	var written atomic.Int64
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/jpeg")
		w.Header().Set("Content-Length", strconv.Itoa(1<<30))
		if r.Method == http.MethodHead {
			return
		}
		_, _ = io.WriteString(w, jpegBytes)
		part := make([]byte, 64<<10)
		for {
			n, err := w.Write(part)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	if _, code := fetcher(t, Options{MaxBytes: 1 << 30}).mustCheck(t, server.URL); code != "" {
		t.Error(code)
	}
	server.Close() // waits for the host's handler
	if n := written.Load(); n > 16<<20 {
		t.Errorf("the host wrote %d bytes", n)
	}
}

func TestSlowHost(t *testing.T) {
	t.Parallel()
	for name, silent := range map[string]bool{"silent": true, "in the middle": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			release := make(chan struct{})
			server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if !silent {
					w.Header().Set("Content-Type", "image/jpeg")
					w.Header().Set("Content-Length", "5000")
					_ = http.NewResponseController(w).Flush()
				}
				<-release
			})
			t.Cleanup(func() { close(release) }) // before the server is closed
			if _, code := fetcher(t, Options{Timeout: 50 * time.Millisecond}).mustCheck(t, server.URL+"?"+private); code != CodeTimeout {
				t.Errorf("got %q", code)
			}
		})
	}
}

func TestCanceledCheckIsNoVerdict(t *testing.T) {
	t.Parallel()
	requested, release := make(chan struct{}), make(chan struct{})
	server := serve(t, func(http.ResponseWriter, *http.Request) {
		close(requested)
		<-release
	})
	t.Cleanup(func() { close(release) })
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-requested
		cancel()
	}()
	_, err := fetcher(t, Options{}).Check(ctx, server.URL)
	if _, verdict := errors.AsType[*Error](err); verdict || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	f := fetcher(t, Options{})
	for _, address := range []string{
		"", "picture.jpg", "ftp://example.com/a.jpg", "file:///etc/passwd", "http://", "http:///a.jpg", "http://user:pw@example.com/a",
		"http://exa mple.com/", "http://[::1", "gopher://127.0.0.1:6379/_INFO", "http://%zz/",
	} {
		if _, code := f.mustCheck(t, address); code != CodeURL {
			t.Errorf("%q: %q", address, code)
		}
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(serveFile("image/jpeg", file(jpegBytes, 100)))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	if _, code := fetcher(t, Options{}).mustCheck(t, server.URL); code != CodeCertificate {
		t.Errorf("untrusted: %q", code)
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	f := fetcher(t, Options{TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}})
	if info, code := f.mustCheck(t, server.URL); code != "" || info.Size != 100 {
		t.Errorf("trusted: %+v %q", info, code)
	}
	if _, code := f.mustCheck(t, strings.Replace(server.URL, "https", "http", 1)); code != CodeRefused {
		t.Errorf("plain HTTP on a TLS port: %q", code)
	}
}

func TestDeadHost(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	if _, code := fetcher(t, Options{}).mustCheck(t, "http://"+address+"/?"+private); code != CodeUnreachable {
		t.Errorf("got %q", code)
	}
}

// TestNoProxy: a proxy would dial in place of the guard.
func TestNoProxy(t *testing.T) {
	t.Parallel()
	if NewFetcher(Options{}).client.Transport.(*http.Transport).Proxy != nil {
		t.Error("it uses the environment's proxy")
	}
}

// TestConnectionsAreNotHoarded: a connection whose body is not read to its end is
// closed, and one that is idle is used again.
func TestConnectionsAreNotHoarded(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"large": 50_000, "small": 500} {
		var (
			mu    sync.Mutex
			opens int
			ends  sync.WaitGroup
		)
		server := httptest.NewUnstartedServer(serveFile("image/jpeg", file(jpegBytes, size)))
		server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			mu.Lock()
			defer mu.Unlock()
			switch state {
			case http.StateNew:
				opens++
				ends.Add(1)
			case http.StateClosed:
				ends.Done()
			default:
			}
		}
		server.Start()
		f := fetcher(t, Options{})
		for range 5 {
			if _, code := f.mustCheck(t, server.URL); code != "" {
				t.Fatal(code)
			}
		}
		f.Close()
		ends.Wait() // returns only if every connection is closed
		server.Close()
		if size < firstBytes && opens > 2 {
			t.Errorf("%s: %d connections for 5 checks in a row", name, opens)
		}
	}
}
