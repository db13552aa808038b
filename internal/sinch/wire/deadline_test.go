package wire_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"mmsdispatch/internal/sinch/wire"
)

// clock is a clock that jumps, as for a process that was frozen.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, addr)
}

func TestDeadlineAlreadyPast(t *testing.T) {
	t.Parallel()
	p := listen(t, answering(ok))
	r := call(p.url(), "late")
	r.Deadline = time.Now().Add(-time.Millisecond)
	if _, err := client(t, wire.Options{}).Do(t.Context(), r); verdict(err) != "not sent" {
		t.Errorf("%s (%v), want not sent", verdict(err), err)
	}
	if conns, bytes := p.received(); conns != 0 || bytes != 0 {
		t.Errorf("%d connections and %d bytes arrived", conns, bytes)
	}
}

// A process that is frozen before its first write, and resumes after its deadline,
// sends nothing: another worker may have the message by then.
func TestFrozenBeforeTheFirstByte(t *testing.T) {
	t.Parallel()
	p := listen(t, answering(ok))
	jumps := new(clock)
	c := client(t, wire.Options{Now: jumps.now, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		jumps.jump(soon)
		return conn, err
	}})
	if _, err := c.Do(t.Context(), call(p.url(), "late")); verdict(err) != "not sent" {
		t.Errorf("%s (%v), want not sent", verdict(err), err)
	}
	if _, bytes := p.received(); bytes != 0 {
		t.Errorf("%d bytes arrived after the deadline", bytes)
	}
}

func TestFrozenOnAKeptConnection(t *testing.T) {
	t.Parallel()
	p := listen(t, answering(ok))
	jumps := new(clock)
	c := client(t, wire.Options{Connections: 1, Now: jumps.now})
	if _, err := c.Do(t.Context(), call(p.url(), "in time")); err != nil {
		t.Fatal(err)
	}
	_, before := p.received()
	r := call(p.url(), "late")
	jumps.jump(time.Until(r.Deadline))
	if _, err := c.Do(t.Context(), r); verdict(err) != "not sent" {
		t.Errorf("%s (%v), want not sent", verdict(err), err)
	}
	if _, after := p.received(); after != before {
		t.Errorf("%d bytes arrived after the deadline", after-before)
	}
	r = call(p.url(), "in time again")
	r.Deadline = jumps.now().Add(soon)
	if _, err := c.Do(t.Context(), r); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

// freezing moves the clock after its first write, as if the process were frozen.
type freezing struct {
	net.Conn

	freeze func()
}

func (f *freezing) Write(p []byte) (int, error) {
	n, err := f.Conn.Write(p)
	f.freeze()
	return n, err
}

func TestFrozenInTheMiddle(t *testing.T) {
	t.Parallel()
	p := listen(t, answering(ok))
	jumps := new(clock)
	c := client(t, wire.Options{Now: jumps.now, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return &freezing{Conn: conn, freeze: func() { jumps.jump(soon) }}, err
	}})
	if _, err := c.Do(t.Context(), call(p.url(), strings.Repeat("x", 1<<20))); verdict(err) != "unknown" {
		t.Errorf("%s (%v), want unknown", verdict(err), err)
	}
	if p.requests() != 0 {
		t.Error("the whole call arrived after its deadline")
	}
}

func TestGivenUp(t *testing.T) {
	t.Parallel()
	received := make(chan struct{})
	p := listen(t, func(p *peer, c net.Conn) {
		hangOnce(p, c, received)
	})
	c := client(t, wire.Options{})

	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Do(over, call(p.url(), "never")); verdict(err) != "not sent" {
		t.Errorf("canceled before: %s (%v), want not sent", verdict(err), err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { <-received; cancel() }()
	if _, err := c.Do(ctx, call(p.url(), "once")); verdict(err) != "unknown" {
		t.Errorf("canceled while waiting: %s (%v), want unknown", verdict(err), err)
	}
	eventually(t, func() bool { return p.times("once") > 0 })
	if p.times("never") != 0 || p.times("once") != 1 {
		t.Errorf("arrived %d and %d times, want 0 and 1", p.times("never"), p.times("once"))
	}
}
