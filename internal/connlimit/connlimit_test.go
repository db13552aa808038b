package connlimit_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"mmsdispatch/internal/certificate/certificatetest"
	"mmsdispatch/internal/connlimit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve is a server that serves two connections at a time.
func serve(t *testing.T, refused *atomic.Int64) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	server.Listener = connlimit.New(server.Listener, connlimit.Options{Max: 2, RefusedFunc: func() { refused.Add(1) }})
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// open makes a connection and has one request answered on it.
func open(t *testing.T, addr string) (net.Conn, string) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, len("HTTP/1.1 200 OK"))
	if _, err := io.ReadFull(conn, line); err != nil {
		t.Fatal(err)
	}
	return conn, string(line)
}

func TestAConnectionBeyondTheBoundIsAnswered(t *testing.T) {
	t.Parallel()
	var refused atomic.Int64
	addr := serve(t, &refused)
	first, line := open(t, addr)
	_, _ = open(t, addr)
	if line != "HTTP/1.1 200 OK" {
		t.Fatalf("the first connection: %q", line)
	}
	beyond, line := open(t, addr)
	rest, err := io.ReadAll(beyond)
	if err != nil || line != "HTTP/1.1 503 Se" || !strings.Contains(string(rest), `"code":"backpressure"`) || refused.Load() != 1 {
		t.Fatalf("beyond the bound: %q %s, %v, %d refused", line, rest, err, refused.Load())
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for line = ""; line != "HTTP/1.1 200 OK"; { // until the server has seen the close
		_, line = open(t, addr)
	}
}

// TestARefusalSpeaksTLS: a caller that expects TLS can read the answer.
func TestARefusalSpeaksTLS(t *testing.T) {
	t.Parallel()
	pair := certificatetest.New(t)
	cert, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := make(chan struct{})
	config := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	bounded := connlimit.New(listener, connlimit.Options{Max: 0, TLS: config, RefusedFunc: func() { close(refused) }})
	var accepting sync.WaitGroup
	accepting.Go(func() { _, _ = bounded.Accept() })
	t.Cleanup(func() { _ = bounded.Close(); accepting.Wait() })
	roots := x509.NewCertPool()
	roots.AddCert(pair.Certificate(t))
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	conn, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 503 ") {
		t.Errorf("%q, %v", got, err)
	}
	_ = conn.Close()
	<-refused
}
