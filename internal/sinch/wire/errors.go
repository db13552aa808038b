package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"syscall"
)

// Cause is the reason why a call got no response. The underlying error is not
// wrapped: net/http's errors quote URLs and proxies, whose queries and passwords
// must not be logged, and error reporters print the whole chain.
type Cause string

// The causes.
const (
	CauseRequest  Cause = "the call could not be made"
	CauseTooLate  Cause = "its time was over"
	CauseGivenUp  Cause = "given up"
	CauseTimeout  Cause = "no answer in time"
	CauseName     Cause = "host name not found"
	CauseRefused  Cause = "connection refused"
	CauseNoWay    Cause = "no connection"
	CauseProxy    Cause = "proxy refused"
	CauseTrust    Cause = "certificate not trusted"
	CauseTLS      Cause = "TLS handshake failed"
	CauseReset    Cause = "connection reset"
	CauseClosed   Cause = "connection closed"
	CauseProtocol Cause = "connection failed or answer is not HTTP"
)

// NotSentError means that no byte of the call was written.
type NotSentError struct{ Cause Cause }

// Error implements error.
func (e *NotSentError) Error() string { return "not sent: " + string(e.Cause) }

// UnknownError means that a part of the call may have arrived.
type UnknownError struct{ Cause Cause }

// Error implements error.
func (e *UnknownError) Error() string { return "outcome unknown: " + string(e.Cause) }

// causeOf classifies a failure.
func causeOf(err error) Cause {
	switch {
	case errors.Is(err, errTooLate):
		return CauseTooLate
	case errors.Is(err, context.Canceled):
		return CauseGivenUp
	case errors.Is(err, errProxy):
		return CauseProxy
	case errors.Is(err, syscall.ECONNREFUSED):
		return CauseRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return CauseReset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return CauseClosed
	}
	return causeOfType(err)
}

func causeOfType(err error) Cause {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return CauseName
	}
	if timed, ok := errors.AsType[net.Error](err); ok && timed.Timeout() {
		return CauseTimeout
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return CauseTrust
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return CauseTrust
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return CauseTLS
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return CauseTLS
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		switch op.Op {
		case "dial", "proxyconnect":
			return CauseNoWay
		case "remote error", "local error": // the form of crypto/tls's alerts
			return CauseTLS
		}
	}
	return CauseProtocol
}
