package message

import "encoding/hex"

// Trace is the span that changed a message last: the 16 bytes of the trace's id, then
// the 8 of the span's. Empty: the message is not traced, or not sampled.
type Trace string

// The lengths of the ids, in bytes.
const (
	traceIDBytes = 16
	spanIDBytes  = 8
)

// traceparent is the only version of the header, and the flag that the trace is sampled.
const (
	traceVersion = "00-"
	traceSampled = "-01"
)

// NewTrace returns the trace of a span.
func NewTrace(trace [traceIDBytes]byte, span [spanIDBytes]byte) Trace {
	return Trace(string(trace[:]) + string(span[:]))
}

// IDs returns the ids of the trace and of the span; ok is false for no trace.
func (t Trace) IDs() (trace [traceIDBytes]byte, span [spanIDBytes]byte, ok bool) {
	if len(t) != traceIDBytes+spanIDBytes {
		return trace, span, false
	}
	copy(trace[:], t)
	copy(span[:], t[traceIDBytes:])
	return trace, span, true
}

// ID is the id of the trace in hexadecimal, as tools show it; empty for no trace.
func (t Trace) ID() string {
	if len(t) != traceIDBytes+spanIDBytes {
		return ""
	}
	return hex.EncodeToString([]byte(t[:traceIDBytes]))
}

// Parent is the trace as the header traceparent of W3C Trace Context; empty for no
// trace.
func (t Trace) Parent() string {
	if len(t) != traceIDBytes+spanIDBytes {
		return ""
	}
	return traceVersion + t.ID() + "-" + hex.EncodeToString([]byte(t[traceIDBytes:])) + traceSampled
}

// ParseTrace reads a header that Parent has written. Any other one is no trace.
func ParseTrace(parent string) Trace {
	const (
		first  = len(traceVersion)
		second = first + 2*traceIDBytes + 1
		length = second + 2*spanIDBytes + len(traceSampled)
	)
	if len(parent) != length {
		return ""
	}
	trace, err := hex.DecodeString(parent[first : second-1])
	if err != nil {
		return ""
	}
	span, err := hex.DecodeString(parent[second : length-len(traceSampled)])
	if err != nil {
		return ""
	}
	if t := Trace(string(trace) + string(span)); t.Parent() == parent {
		return t
	}
	return ""
}
