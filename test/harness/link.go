package harness

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Link is a TCP proxy that can fail: it forwards each connection to the first of
// its far ends that accepts it.
type Link struct {
	Name     string
	far      []string
	listener net.Listener
	dials    atomic.Uint64
	wg       sync.WaitGroup
	// Seen, when set, is called with each chunk before it is forwarded to the far end.
	Seen atomic.Pointer[func(chunk []byte)]

	mu           sync.Mutex
	changed      *sync.Cond
	cut          bool // connections are reset, and so are new ones
	stopRequests bool // nothing is forwarded to the far end
	stopAnswers  bool // nothing is forwarded from the far end
	closed       bool
	lines        map[net.Conn]bool // of both sides
	end          context.CancelFunc
}

// dialTimeout bounds what a link waits for its far end.
const dialTimeout = time.Second

// NewLink starts a link to the far addresses; the clean-up of the test ends it.
func NewLink(tb testing.TB, name string, far ...string) *Link {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	l := &Link{Name: name, far: far, listener: listener, lines: map[net.Conn]bool{}}
	l.changed = sync.NewCond(&l.mu)
	ctx, end := context.WithCancel(context.Background())
	l.end = end
	l.wg.Go(func() { l.serve(ctx) })
	tb.Cleanup(l.close)
	return l
}

// Addr is the address it listens on.
func (l *Link) Addr() string { return l.listener.Addr().String() }

// Sever resets every connection, now and until Repair.
func (l *Link) Sever() { l.set(func() { l.cut = true }); l.Reset() }

// Stall keeps every connection open and forwards nothing until Repair; then the
// waiting bytes are forwarded.
func (l *Link) Stall() { l.set(func() { l.stopRequests, l.stopAnswers = true, true }) }

// Silence forwards requests and no answers.
func (l *Link) Silence() { l.set(func() { l.stopAnswers = true }) }

// Repair ends every fault.
func (l *Link) Repair() { l.set(func() { l.cut, l.stopRequests, l.stopAnswers = false, false, false }) }

func (l *Link) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	l.changed.Broadcast()
}

// Reset resets the open connections, as a restarted router does.
func (l *Link) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for conn := range l.lines {
		reset(conn)
	}
}

func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // close with RST
	}
	_ = conn.Close()
}

func (l *Link) close() {
	l.end()
	_ = l.listener.Close()
	l.set(func() { l.closed = true })
	l.Reset()
	l.wg.Wait()
}

func (l *Link) serve(ctx context.Context) {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		l.wg.Go(func() { l.forward(ctx, conn) })
	}
}

// forward forwards one connection until both directions have ended.
func (l *Link) forward(ctx context.Context, near net.Conn) {
	if !l.register(near) {
		return
	}
	defer l.drop(near)
	if !l.passes(&l.stopRequests) {
		return
	}
	far := l.dial(ctx)
	if far == nil || !l.register(far) {
		return
	}
	defer l.drop(far)
	var both sync.WaitGroup
	both.Go(func() { l.pump(near, far, &l.stopRequests, true) })
	both.Go(func() { l.pump(far, near, &l.stopAnswers, false) })
	both.Wait()
}

// register adds a connection, or resets it while the link is severed.
func (l *Link) register(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut || l.closed {
		reset(conn)
		return false
	}
	l.lines[conn] = true
	return true
}

func (l *Link) drop(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.lines, conn)
	_ = conn.Close() // not by a reset, which could overtake what was forwarded
}

func (l *Link) dial(ctx context.Context) net.Conn {
	dialer := net.Dialer{Timeout: dialTimeout}
	first := int(l.dials.Add(1))
	for i := range l.far {
		conn, err := dialer.DialContext(ctx, "tcp", l.far[(first+i)%len(l.far)])
		if err == nil {
			return conn
		}
	}
	return nil
}

const chunkSize = 32 << 10

// pump forwards one direction. Bytes that were read before the sender closed are
// still forwarded, as in a network.
func (l *Link) pump(from, to net.Conn, stopped *bool, request bool) {
	chunk := make([]byte, chunkSize)
	for {
		n, err := from.Read(chunk)
		if request && n > 0 {
			if seen := l.Seen.Load(); seen != nil {
				(*seen)(chunk[:n])
			}
		}
		if !l.passes(stopped) {
			return
		}
		if n > 0 {
			if _, werr := to.Write(chunk[:n]); werr != nil {
				reset(from)
				return
			}
		}
		if err != nil {
			closeWrite(to)
			return
		}
	}
}

// closeWrite forwards the end of the stream.
func closeWrite(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}

// passes waits while a direction is stopped; false: the link has been closed.
func (l *Link) passes(stopped *bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for *stopped && !l.closed {
		l.changed.Wait()
	}
	return !l.closed
}
