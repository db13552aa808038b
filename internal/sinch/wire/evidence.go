package wire

import (
	"context"
	"net/http/httptrace"
	"sync"
	"time"
)

// evidence records the connection of a call and the number of written bytes.
type evidence struct {
	deadline time.Time
	phases   phases

	mu   sync.Mutex
	conn *guardedConn // nil: the last try got none
	lost bool         // a connection without a guard, whose bytes are not counted
	past int64        // bytes written on connections of earlier tries
}

// trace makes net/http report the connection of the call.
func (e *evidence) trace(ctx context.Context) context.Context {
	trace := &httptrace.ClientTrace{GetConn: e.getConn, GotConn: e.gotConn}
	e.phases.hook(trace)
	return httptrace.WithClientTrace(ctx, trace)
}

// getConn is called before each try. There is a single one, unless the call has no
// body and net/http repeats it.
func (e *evidence) getConn(string) {
	e.phases.restart()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conn != nil {
		e.past += e.conn.seal()
	}
	e.conn = nil
}

func (e *evidence) gotConn(info httptrace.GotConnInfo) {
	e.phases.got(info.Reused)
	conn := guarded(info.Conn)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.conn = conn
	if conn == nil {
		e.lost = true
		return
	}
	conn.begin(e.deadline)
}

// judge decides whether a failed call was not sent. It seals the connection first:
// net/http returns when the context ends, while its goroutine may still be about to
// write.
func (e *evidence) judge(err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.lost && e.past == 0 && (e.conn == nil || e.conn.seal() == 0) {
		return &NotSentError{Cause: causeOf(err)}
	}
	return &UnknownError{Cause: causeOf(err)}
}
