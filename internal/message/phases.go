package message

import "time"

// Phases are the parts of the HTTP request of an attempt. A part that did not take
// place is zero; of a request that failed the last part lasts until its end.
type Phases struct {
	Reused    bool          // the connection is that of an earlier request: there are no parts before FirstByte
	Answered  bool          // the first byte of the response came
	DNS       time.Duration // lookup of the host
	Connect   time.Duration // TCP connection
	TLS       time.Duration // TLS handshakes
	FirstByte time.Duration // from the connection to the first byte of the response
}

// notePhases adds the phases of attempt n to the first entry about it among those
// after the first noted entries of the timeline.
func (m *Message) notePhases(n, noted int, p *Phases) {
	first := max(0, noted-m.Dropped)
	for i := first; i < len(m.Timeline); i++ {
		if m.Timeline[i].Attempt == n {
			m.Timeline[i].Phases = p
			return
		}
	}
}
