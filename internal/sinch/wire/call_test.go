package wire_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mmsdispatch/internal/sinch/wire"
)

// For every behaviour of the server, it receives a call at most once.
func TestOneCallIsOneRequest(t *testing.T) {
	t.Parallel()
	receivedThen := func(then func(net.Conn)) func(*peer, net.Conn) {
		return func(p *peer, c net.Conn) {
			if _, err := p.readRequest(bufio.NewReader(c)); err == nil {
				then(c)
			}
		}
	}
	cutHead := func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nCont") }
	cases := map[string]struct {
		server func(*peer, net.Conn)
		limit  time.Duration
		want   string
		status int
	}{
		"answered":                {answering(ok), soon, "answered", 200},
		"server error":            {answering("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"), soon, "answered", 503},
		"reset after the request": {receivedThen(reset), soon, "unknown", 0},
		"closed without answer":   {receivedThen(func(c net.Conn) { _ = c.Close() }), soon, "unknown", 0},
		"no answer":               {hang, brief, "unknown", 0},
		"answer is not HTTP":      {answering("SMTP ready\r\n\r\n"), soon, "unknown", 0},
		"answer cut in its head":  {receivedThen(cutHead), soon, "unknown", 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := listen(t, tc.server)
			r := call(p.url(), "once")
			r.Deadline = time.Now().Add(tc.limit)
			res, err := client(t, wire.Options{}).Do(t.Context(), r)
			if got := verdict(err); got != tc.want || res.Status != tc.status {
				t.Errorf("got %s, status %d (%v); want %s, %d", got, res.Status, err, tc.want, tc.status)
			}
			eventually(t, func() bool { return p.requests() > 0 })
			if got := p.requests(); got != 1 {
				t.Errorf("%d requests arrived, want 1", got)
			}
		})
	}
}

// A server that closes kept connections races with the next call. In either order no
// call arrives twice, and one that counts as not sent never arrives.
func TestConnectionClosedWhileIdle(t *testing.T) {
	t.Parallel()
	p := listen(t, func(p *peer, c net.Conn) {
		if _, err := p.readRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.WriteString(c, ok)
		}
		reset(c)
	})
	c := client(t, wire.Options{Connections: 4})
	seen := map[string]int{}
	for n := range 200 {
		body := strconv.Itoa(n)
		_, err := c.Do(t.Context(), call(p.url(), body))
		got := verdict(err)
		seen[got]++
		arrived := p.times(body)
		if arrived > 1 || (got == "answered" && arrived != 1) || (got == "not sent" && arrived != 0) || got == "untyped" {
			t.Fatalf("call %d: %s (%v), and it arrived %d times", n, got, err, arrived)
		}
	}
	if seen["answered"] == 0 {
		t.Errorf("no call was answered: %v", seen)
	}
}

// broken fails the writes starting with a given one.
type broken struct {
	net.Conn

	from, some int // first write that fails, bytes of it that are sent
	writes     atomic.Int32
}

func (b *broken) Write(p []byte) (int, error) {
	if int(b.writes.Add(1)) < b.from {
		return b.Conn.Write(p)
	}
	n, err := b.Conn.Write(p[:b.some])
	if err != nil {
		return n, err
	}
	return n, syscall.EPIPE
}

// Only a call without a written byte counts as not sent, and net/http does not
// repeat it.
func TestBytesDecide(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		from, some int
		want       []string // of successive calls
		arrived    int
	}{
		"nothing left on a new connection":  {1, 0, []string{"not sent"}, 0},
		"one byte left":                     {1, 1, []string{"unknown"}, 0},
		"nothing left on a kept connection": {2, 0, []string{"answered", "not sent"}, 1},
		"one byte left on a kept one":       {2, 1, []string{"answered", "unknown"}, 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := listen(t, answering(ok))
			var dials atomic.Int32
			c := client(t, wire.Options{Connections: 1, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				dials.Add(1)
				conn, err := new(net.Dialer).DialContext(ctx, network, addr)
				return &broken{Conn: conn, from: tc.from, some: tc.some}, err
			}})
			for n, want := range tc.want {
				if _, err := c.Do(t.Context(), call(p.url(), strconv.Itoa(n))); verdict(err) != want {
					t.Errorf("call %d: %s (%v), want %s", n, verdict(err), err, want)
				}
			}
			if got := p.requests(); got != tc.arrived {
				t.Errorf("%d requests arrived, want %d", got, tc.arrived)
			}
			if got := dials.Load(); got != 1 {
				t.Errorf("%d connections, want 1: the call was repeated", got)
			}
		})
	}
}

func TestNoConnection(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(untrusted.Close)
	garbage := listen(t, func(_ *peer, c net.Conn) { _, _ = io.WriteString(c, "220 not TLS\r\n\r\n") })
	hangup := listen(t, func(_ *peer, c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		reset(c)
	})
	for name, url := range map[string]string{
		"refused":                closed,
		"certificate not known":  untrusted.URL,
		"handshake with garbage": "https://" + garbage.addr,
		"handshake reset":        "https://" + hangup.addr,
		"no such scheme":         "ftp://127.0.0.1/",
		"no host":                "http://",
		"not a URL":              "http://127.0.0.1:no port/",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := client(t, wire.Options{}).Do(t.Context(), call(url, "x")); verdict(err) != "not sent" {
				t.Errorf("%s (%v), want not sent", verdict(err), err)
			}
		})
	}
}

// Under TLS the handshake is no part of the call, and the call is counted.
func TestTLS(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	release := make(chan struct{})
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Errorf("protocol %s: only one call at a time may be on a connection", r.Proto)
		}
		if calls.Add(1) > 1 {
			<-release
		}
		w.WriteHeader(http.StatusOK)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	trust := &tls.Config{RootCAs: roots, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12}
	c := client(t, wire.Options{Connections: 1, TLS: trust})
	if res, err := c.Do(t.Context(), call(server.URL, "x")); err != nil || res.Status != http.StatusOK {
		t.Fatalf("status %d, %v", res.Status, err)
	}
	r := call(server.URL, "y")
	r.Deadline = time.Now().Add(brief)
	if _, err := c.Do(t.Context(), r); verdict(err) != "unknown" {
		t.Errorf("%s (%v), want unknown", verdict(err), err)
	}
	if got := calls.Load(); got != 2 {
		t.Errorf("%d calls arrived, want 2", got)
	}
}

// 307 and 308 would repeat the body at another address.
func TestNoRedirect(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			target := listen(t, answering(ok))
			p := listen(t, answering("HTTP/1.1 "+strconv.Itoa(status)+" Moved\r\nLocation: "+target.url()+"\r\nContent-Length: 0\r\n\r\n"))
			res, err := client(t, wire.Options{}).Do(t.Context(), call(p.url(), "x"))
			if err != nil || res.Status != status {
				t.Errorf("status %d, %v; want %d", res.Status, err, status)
			}
			if p.requests() != 1 || target.requests() != 0 {
				t.Errorf("%d requests here and %d at the target, want 1 and 0", p.requests(), target.requests())
			}
		})
	}
}

// The form of a call: a Content-Length, and no header that makes net/http or a proxy
// repeat it.
func TestForm(t *testing.T) {
	t.Parallel()
	got := make(chan *http.Request, 1)
	p := listen(t, func(p *peer, c net.Conn) {
		req, err := p.readRequest(bufio.NewReader(c))
		if err == nil {
			got <- req
			_, _ = io.WriteString(c, ok)
		}
	})
	if _, err := client(t, wire.Options{}).Do(t.Context(), call(p.url()+"/ep/v2/", `{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	req := <-got
	if req.Method != http.MethodPost || req.RequestURI != "/ep/v2/" || req.ContentLength != 7 || len(req.TransferEncoding) != 0 {
		t.Errorf("%s %s, length %d, encoding %v", req.Method, req.RequestURI, req.ContentLength, req.TransferEncoding)
	}
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key", "Expect", "Referer"} {
		if value, has := req.Header[name]; has {
			t.Errorf("%s: %q was sent", name, value)
		}
	}
	if req.Header.Get("X-Api-Key") != "key-secret" || req.Header.Get("Content-Type") != "application/json" {
		t.Errorf("headers are missing: %v", req.Header)
	}
}
