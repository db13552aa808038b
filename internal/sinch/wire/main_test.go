package wire_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mmsdispatch/internal/sinch/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// soon is long enough for anything on the loopback.
	soon = time.Minute
	// brief is a deadline that a test waits for.
	brief = time.Second
)

// peer is a server that counts every byte.
type peer struct {
	addr string

	mu       sync.Mutex
	complete map[string]int // requests, by their body
	bytes    int
	conns    int
}

// listen serves each connection with handle, until the test ends.
func listen(tb testing.TB, handle func(p *peer, c net.Conn)) *peer {
	tb.Helper()
	l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &peer{addr: l.Addr().String(), complete: make(map[string]int)}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.conns++
			p.mu.Unlock()
			release := context.AfterFunc(ctx, func() { _ = c.Close() })
			wg.Go(func() {
				defer release()
				defer c.Close()
				handle(p, &tapped{Conn: c, peer: p})
			})
		}
	})
	tb.Cleanup(func() { stop(); _ = l.Close(); wg.Wait() })
	return p
}

func (p *peer) url() string { return "http://" + p.addr }

// requests returns the number of complete requests.
func (p *peer) requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, times := range p.complete {
		n += times
	}
	return n
}

func (p *peer) times(body string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.complete[body]
}

func (p *peer) received() (conns, bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conns, p.bytes
}

// readRequest reads one complete request.
func (p *peer) readRequest(r *bufio.Reader) (*http.Request, error) {
	req, err := http.ReadRequest(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.complete[string(body)]++
	return req, nil
}

// tapped counts the bytes that arrive.
type tapped struct {
	net.Conn

	peer *peer
}

func (t *tapped) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.peer.mu.Lock()
	t.peer.bytes += n
	t.peer.mu.Unlock()
	return n, err
}

// reset closes a connection with RST.
func reset(c net.Conn) {
	if t, ok := c.(*tapped); ok {
		c = t.Conn
	}
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

// answering sends the same response to every request.
func answering(answer string) func(*peer, net.Conn) {
	return func(p *peer, c net.Conn) {
		r := bufio.NewReader(c)
		for {
			if _, err := p.readRequest(r); err != nil {
				return
			}
			if _, err := io.WriteString(c, answer); err != nil {
				return
			}
		}
	}
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

// hang reads a request and never responds.
func hang(p *peer, c net.Conn) {
	r := bufio.NewReader(c)
	for {
		if _, err := p.readRequest(r); err != nil {
			return
		}
	}
}

func client(tb testing.TB, o wire.Options) *wire.Client {
	tb.Helper()
	c := wire.New(o)
	tb.Cleanup(c.Close)
	return c
}

// call is a request with a body, as the adapters make it.
func call(url, body string) wire.Request {
	return wire.Request{
		Method: http.MethodPost, URL: url, Body: []byte(body), Deadline: time.Now().Add(soon),
		Header: http.Header{"Content-Type": {"application/json"}, "X-Api-Key": {"key-secret"}},
	}
}

// eventually waits for a condition that the server reaches after the client.
func eventually(tb testing.TB, is func() bool) {
	tb.Helper()
	for deadline := time.After(soon); !is(); {
		select {
		case <-deadline:
			tb.Fatal("waited in vain")
		case <-time.After(time.Millisecond):
		}
	}
}

// verdict classifies the error of a call.
func verdict(err error) string {
	if err == nil {
		return "answered"
	}
	if _, is := errors.AsType[*wire.NotSentError](err); is {
		return "not sent"
	}
	if _, is := errors.AsType[*wire.UnknownError](err); is {
		return "unknown"
	}
	return "untyped"
}

// hangOnce closes received when it has read a request, and never responds.
func hangOnce(p *peer, c net.Conn, received chan<- struct{}) {
	r := bufio.NewReader(c)
	if _, err := p.readRequest(r); err != nil {
		return
	}
	close(received)
	_, _ = p.readRequest(r)
}
