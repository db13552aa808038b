package ledger

import (
	"encoding/binary"
	"math"
	"time"

	"mmsdispatch/internal/message"
)

// The phases of an attempt are varints of whole milliseconds: the time to the first
// byte with two flags below it, and then DNS, connection and TLS, without those at
// the end that are zero. A request over a used connection takes two bytes so, and one
// over a new connection about five.
const (
	phasesReused   = 1
	phasesAnswered = 2
	phasesFlags    = 2 // bits
)

// phasesLength is the most that appendPhases appends.
const phasesLength = 4 * binary.MaxVarintLen32

// appendPhases packs phases.
func appendPhases(out []byte, p *message.Phases) []byte {
	head := phaseMillis(p.FirstByte) << phasesFlags
	if p.Reused {
		head |= phasesReused
	}
	if p.Answered {
		head |= phasesAnswered
	}
	out = binary.AppendUvarint(out, head)
	all := [...]time.Duration{p.DNS, p.Connect, p.TLS}
	rest := all[:]
	for len(rest) > 0 && phaseMillis(rest[len(rest)-1]) == 0 {
		rest = rest[:len(rest)-1]
	}
	for _, one := range rest {
		out = binary.AppendUvarint(out, phaseMillis(one))
	}
	return out
}

// phaseMillis bounds a duration, so that it fits into a number of any platform.
func phaseMillis(d time.Duration) uint64 {
	return uint64(min(max(d.Milliseconds(), 0), math.MaxInt32))
}

// unpackPhases is the reverse of appendPhases; nil for what it cannot have written.
func unpackPhases(packed []byte) *message.Phases {
	p := &message.Phases{}
	for i := 0; len(packed) > 0; i++ {
		value, n := binary.Uvarint(packed)
		if n <= 0 {
			return nil
		}
		packed = packed[n:]
		if i == 0 {
			p.Reused, p.Answered = value&phasesReused != 0, value&phasesAnswered != 0
			value >>= phasesFlags
		}
		took := time.Duration(min(value, math.MaxInt32)) * time.Millisecond
		switch i {
		case 0:
			p.FirstByte = took
		case 1:
			p.DNS = took
		case 2:
			p.Connect = took
		case 3: //nolint:mnd // the place in the list
			p.TLS = took
		default: // of a newer release
		}
	}
	return p
}
