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
	turn     atomic.Uint64
	wg       sync.WaitGroup
	// Seen, when set, is given each chunk before it goes to the far end.
	Seen atomic.Pointer[func(chunk []byte)]

	mu       sync.Mutex
	changed  *sync.Cond
	cut      bool // connections are reset, and so are new ones
	deaf     bool // nothing reaches the far end
	mute     bool // nothing comes back
	closed   bool
	lines    map[net.Conn]bool // of both sides
	lifetime context.Context   //nolint:containedctx // ends the dials with the link
	end      context.CancelFunc
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
	l.lifetime, l.end = context.WithCancel(context.Background())
	l.wg.Go(l.serve)
	tb.Cleanup(l.close)
	return l
}

// Addr is the address it listens on.
func (l *Link) Addr() string { return l.listener.Addr().String() }

// Sever cuts every connection with a reset, now and until Heal.
func (l *Link) Sever() { l.set(func() { l.cut = true }); l.Reset() }

// Stall keeps every connection open and lets nothing through until Heal; then
// what waited goes on its way.
func (l *Link) Stall() { l.set(func() { l.deaf, l.mute = true, true }) }

// Silence lets requests through and holds the answers back.
func (l *Link) Silence() { l.set(func() { l.mute = true }) }

// Heal ends every fault.
func (l *Link) Heal() { l.set(func() { l.cut, l.deaf, l.mute = false, false, false }) }

func (l *Link) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	l.changed.Broadcast()
}

// Reset ends the connections there are, as a router that was restarted does.
func (l *Link) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for conn := range l.lines {
		hangUp(conn)
	}
}

func hangUp(conn net.Conn) {
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

func (l *Link) serve() {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		l.wg.Go(func() { l.carry(conn) })
	}
}

// carry forwards one connection until both directions have ended.
func (l *Link) carry(near net.Conn) {
	if !l.register(near) {
		return
	}
	defer l.drop(near)
	if !l.passes(&l.deaf) {
		return
	}
	far := l.dial()
	if far == nil || !l.register(far) {
		return
	}
	defer l.drop(far)
	var both sync.WaitGroup
	both.Go(func() { l.pump(near, far, &l.deaf, true) })
	both.Go(func() { l.pump(far, near, &l.mute, false) })
	both.Wait()
}

// register takes a connection in, or hangs it up while the link is cut.
func (l *Link) register(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut || l.closed {
		hangUp(conn)
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

func (l *Link) dial() net.Conn {
	dialer := net.Dialer{Timeout: dialTimeout}
	first := int(l.turn.Add(1))
	for i := range l.far {
		conn, err := dialer.DialContext(l.lifetime, "tcp", l.far[(first+i)%len(l.far)])
		if err == nil {
			return conn
		}
	}
	return nil
}

const chunkSize = 32 << 10

// pump forwards one direction. What was read before the sender went still goes
// to the other side, as it does in a network.
func (l *Link) pump(from, to net.Conn, held *bool, request bool) {
	chunk := make([]byte, chunkSize)
	for {
		n, err := from.Read(chunk)
		if request && n > 0 {
			if seen := l.Seen.Load(); seen != nil {
				(*seen)(chunk[:n])
			}
		}
		if !l.passes(held) {
			return
		}
		if n > 0 {
			if _, werr := to.Write(chunk[:n]); werr != nil {
				hangUp(from)
				return
			}
		}
		if err != nil {
			closeWrite(to)
			return
		}
	}
}

// closeWrite passes on that no more comes.
func closeWrite(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}

// passes waits while a direction is held; false: the link has been closed.
func (l *Link) passes(held *bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for *held && !l.closed {
		l.changed.Wait()
	}
	return !l.closed
}
