package wire_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mmsdispatch/internal/sinch/wire"
)

// tunnel is a proxy that opens the requested tunnel.
func tunnel(tb testing.TB) *peer {
	tb.Helper()
	return listen(tb, func(p *peer, c net.Conn) {
		req, err := p.readRequest(bufio.NewReader(c))
		if err != nil || req.Method != http.MethodConnect {
			return
		}
		far, err := new(net.Dialer).DialContext(context.WithoutCancel(tb.Context()), "tcp", req.Host)
		if err != nil {
			return
		}
		if _, err := io.WriteString(c, "HTTP/1.1 200 Connected\r\n\r\n"); err != nil {
			_ = far.Close()
			return
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			_, _ = io.Copy(far, c)
			_ = far.Close()
		})
		_, _ = io.Copy(c, far)
		_ = c.Close()
		wg.Wait()
	})
}

// What is written to open the tunnel, and both handshakes, are no part of the
// call: through a proxy the evidence is as good as without.
func TestEvidenceInATunnel(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	calls := make(map[string]*atomic.Int32)
	for _, path := range []string{"/", "/hangs", "/frozen"} {
		calls[path] = new(atomic.Int32)
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		calls[r.URL.Path].Add(1)
		if r.URL.Path == "/hangs" {
			<-release
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	way := &url.URL{Scheme: "http", Host: tunnel(t).addr}
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	trust := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	for name, tc := range map[string]struct {
		path  string
		late  bool // the process freezes between the handshake and the call
		want  string
		calls int32
	}{
		"answered":            {"/", false, "answered", 1},
		"no answer":           {"/hangs", false, "unknown", 1},
		"frozen before it is": {"/frozen", true, "not sent", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			jumps := new(clock)
			o := wire.Options{TLS: trust, Now: jumps.now, Proxy: func(*http.Request) (*url.URL, error) { return way, nil }}
			if tc.late {
				o.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
					conn, err := dial(ctx, network, addr)
					jumps.jump(soon)
					return conn, err
				}
			}
			r := call(server.URL+tc.path, "x")
			if tc.want == "unknown" {
				r.Deadline = time.Now().Add(brief)
			}
			if _, err := client(t, o).Do(t.Context(), r); verdict(err) != tc.want {
				t.Errorf("%s (%v), want %s", verdict(err), err, tc.want)
			}
			if got := calls[tc.path].Load(); got != tc.calls {
				t.Errorf("%d calls arrived, want %d", got, tc.calls)
			}
		})
	}
}

// An operator has to see that it is the proxy.
func TestProxyIsNamed(t *testing.T) {
	t.Parallel()
	proxy := listen(t, answering("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"))
	way := &url.URL{Scheme: "http", Host: proxy.addr}
	c := client(t, wire.Options{Proxy: func(*http.Request) (*url.URL, error) { return way, nil }})
	_, err := c.Do(t.Context(), call("https://sinch.invalid/", "x"))
	if notSent, ok := errors.AsType[*wire.NotSentError](err); !ok || notSent.Cause != wire.CauseProxy {
		t.Errorf("%v, want %q", err, wire.CauseProxy)
	}
}

// HTTP/2 would put several calls on a connection at once, and the bytes of one
// could not be distinguished from those of another.
func TestNoHTTP2(t *testing.T) {
	t.Parallel()
	proto := make(chan string, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { proto <- r.Proto }))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	c := client(t, wire.Options{TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}})
	if _, err := c.Do(t.Context(), call(server.URL, "x")); err != nil {
		t.Fatal(err)
	}
	if got := <-proto; got != "HTTP/1.1" {
		t.Errorf("spoke %s", got)
	}
}
