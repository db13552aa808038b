package wire

import (
	"crypto/tls"
	"net/http/httptrace"
	"sync"
	"time"

	"mmsdispatch/internal/message"
)

// phase is a part of a request.
type phase int

const (
	phaseNone phase = iota
	phaseDNS
	phaseConnect
	phaseTLS
	phaseFirstByte
	phaseCount
)

// phases measures the parts of a request. The hooks of a connection that is dialed
// for it may still be called when it already uses another one, also after its end.
type phases struct {
	now func() time.Time

	mu        sync.Mutex
	running   phase
	since     time.Time
	took      [phaseCount]time.Duration
	connected bool // the request has its connection
	reused    bool
	answered  bool
	over      bool
}

// hook adds the hooks of a trace.
func (p *phases) hook(trace *httptrace.ClientTrace) {
	trace.DNSStart = func(httptrace.DNSStartInfo) { p.begin(phaseDNS) }
	trace.DNSDone = func(httptrace.DNSDoneInfo) { p.end(phaseDNS) }
	trace.ConnectStart = func(string, string) { p.begin(phaseConnect) }
	trace.ConnectDone = func(_, _ string, err error) {
		if err == nil { // another address may be tried
			p.end(phaseConnect)
		}
	}
	trace.TLSHandshakeStart = func() { p.begin(phaseTLS) }
	trace.TLSHandshakeDone = func(tls.ConnectionState, error) { p.end(phaseTLS) }
	trace.GotFirstResponseByte = func() { p.answer() }
}

// restart is called before each try.
func (p *phases) restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running, p.took = phaseNone, [phaseCount]time.Duration{}
	p.connected, p.reused, p.answered = false, false, false
}

func (p *phases) begin(one phase) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || p.connected || p.running >= one {
		return
	}
	p.stop()
	p.running, p.since = one, p.now()
}

func (p *phases) end(one phase) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over && p.running == one {
		p.stop()
	}
}

// stop ends the running phase.
func (p *phases) stop() {
	if p.running != phaseNone {
		p.took[p.running] += p.now().Sub(p.since)
	}
	p.running = phaseNone
}

// got is called with the connection of the request. What was dialed is another one
// if it was used before.
func (p *phases) got(reused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.stop()
	p.connected, p.reused = true, reused
	if reused {
		p.took = [phaseCount]time.Duration{}
	}
	p.running, p.since = phaseFirstByte, p.now()
}

func (p *phases) answer() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over && p.running == phaseFirstByte {
		p.stop()
		p.answered = true
	}
}

// finish ends the measurement.
func (p *phases) finish() message.Phases {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop()
	p.over = true
	return message.Phases{
		Reused: p.reused, Answered: p.answered,
		DNS: p.took[phaseDNS], Connect: p.took[phaseConnect], TLS: p.took[phaseTLS], FirstByte: p.took[phaseFirstByte],
	}
}
