package harness

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// Ports returns every port of a range once. Test packages run in parallel and use
// different ranges, outside Linux's ephemeral ports and those of the
// Redis servers, so that a port stays free while its owner is stopped.
type Ports struct {
	first, count int

	mu   sync.Mutex
	next int
}

// NewPorts returns the count ports from first on, beginning at a random one.
func NewPorts(first, count int) *Ports {
	return &Ports{first: first, count: count, next: rand.IntN(count)}
}

// Take returns the address of a free port on the loopback interface.
func (p *Ports) Take(tb testing.TB) string {
	tb.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for range p.count {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(p.first+p.next%p.count))
		p.next++
		l, err := net.Listen("tcp", addr)
		if err == nil {
			_ = l.Close()
			return addr
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			tb.Fatalf("find a free port: %v", err)
		}
	}
	tb.Fatal("no free port")
	return ""
}
