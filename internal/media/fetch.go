// Package media looks at the media of a message before Sinch does: whether a
// URL leads to a public host, and whether what it hands out is something that
// an MMS carries, with a length, small enough, and of the type it claims.
//
// [Fetcher] makes one check. [Shared] makes one check of a URL for all
// replicas. Neither keeps or repeats anything of a URL but a hash.
package media

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// DefaultTimeout is how long one check takes at most: a host that is slower
	// than this for a few kilobytes does not keep up with Sinch either.
	DefaultTimeout = 5 * time.Second

	idleTimeout  = 5 * time.Second
	idleConns    = 64
	maxHeader    = 64 << 10
	maxRedirects = 3
	// firstBytes is how much of a medium is read, as much as mimetype looks at.
	firstBytes = 4096
	userAgent  = "mmsdispatch-media-check/1"
)

// Medium is what is known of a medium that can be sent.
type Medium struct {
	Type string // content type, without parameters
	Size int64  // bytes
}

// Options are the limits of a check.
type Options struct {
	MaxBytes     int64         // of a medium
	AllowPrivate bool          // fetch from addresses that are not public, too
	Timeout      time.Duration // of one check; zero: DefaultTimeout
	Resolver     *net.Resolver // nil: the system's
	TLS          *tls.Config   // nil: the system's trust
}

// Fetcher checks media by asking their hosts.
type Fetcher struct {
	opts   Options
	client *http.Client
}

// NewFetcher makes a Fetcher. It takes no proxy from the environment, because
// the address that counts would then be dialed by the proxy, out of reach of
// the guard.
func NewFetcher(o Options) *Fetcher {
	permits := guard(public)
	if o.AllowPrivate {
		permits = func(netip.Addr) bool { return true }
	}
	return newFetcher(o, permits)
}

func newFetcher(o Options, permits guard) *Fetcher {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	// Names, connections and handshakes share the time of the check.
	dialer := &net.Dialer{Resolver: o.Resolver, ControlContext: permits.control}
	return &Fetcher{opts: o, client: &http.Client{
		CheckRedirect: checkRedirect,
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSClientConfig:        o.TLS,
			DisableCompression:     true, // else the length would be that of something else
			MaxIdleConns:           idleConns,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: maxHeader,
		},
	}}
}

// Close closes idle connections.
func (f *Fetcher) Close() { f.client.CloseIdleConnections() }

// checkRedirect bounds redirects. Where they lead is the guard's to decide, at
// the dial. The next host is not told where the request comes from: the query
// may be a signature.
func checkRedirect(next *http.Request, via []*http.Request) error {
	next.Header.Del("Referer")
	if len(via) > maxRedirects || !fetchable(next.URL) {
		return &Error{Code: CodeRedirects}
	}
	return nil
}

func fetchable(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil
}

// Check asks the host of a medium about it, as Sinch will. The error is an
// *Error, or that of ctx when it was canceled.
func (f *Fetcher) Check(ctx context.Context, address string) (Medium, error) {
	u, err := url.Parse(address)
	if err != nil || !fetchable(u) {
		return Medium{}, &Error{Code: CodeURL}
	}
	ctx, cancel := context.WithTimeout(ctx, f.opts.Timeout)
	defer cancel()
	if err := f.ask(ctx, address); err != nil {
		return Medium{}, err
	}
	return f.taste(ctx, address)
}

// ask makes a HEAD request, which shows the length the whole medium is sent
// with. A host that answers anything but 200 may only not like the method:
// then the GET decides.
func (f *Fetcher) ask(ctx context.Context, address string) error {
	res, err := f.do(ctx, http.MethodHead, address, nil)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	switch {
	case res.StatusCode != http.StatusOK:
		return nil
	case len(res.TransferEncoding) > 0:
		return &Error{Code: CodeNoLength}
	case res.ContentLength > f.opts.MaxBytes:
		return &Error{Code: CodeTooLarge}
	default:
		return nil
	}
}

// taste gets the first bytes of a medium and compares them with what the host
// says it is.
func (f *Fetcher) taste(ctx context.Context, address string) (Medium, error) {
	res, err := f.do(ctx, http.MethodGet, address, http.Header{"Range": {"bytes=0-" + strconv.Itoa(firstBytes-1)}})
	if err != nil {
		return Medium{}, err
	}
	defer res.Body.Close()
	size, err := length(res)
	if err != nil {
		return Medium{}, err
	}
	if size > f.opts.MaxBytes {
		return Medium{}, &Error{Code: CodeTooLarge}
	}
	claimed, ok := formatOf(res.Header.Get("Content-Type"))
	if !ok {
		return Medium{}, &Error{Code: CodeType}
	}
	first, err := io.ReadAll(io.LimitReader(res.Body, min(size, firstBytes)))
	if err != nil {
		return Medium{}, causeOf(ctx, err)
	}
	if !claimed.begins(first) {
		return Medium{}, &Error{Code: CodeMismatch}
	}
	return Medium{Type: claimed.name(), Size: size}, nil
}

// do makes a request and follows its redirects.
func (f *Fetcher) do(ctx context.Context, method, address string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	if err != nil {
		return nil, &Error{Code: CodeURL}
	}
	if header != nil {
		req.Header = header
	}
	req.Header.Set("User-Agent", userAgent)
	res, err := f.client.Do(req)
	if err != nil {
		return nil, causeOf(ctx, err)
	}
	return res, nil
}

// length is that of the whole medium, in bytes, whether a part was sent or all.
func length(res *http.Response) (int64, error) {
	var size int64
	switch res.StatusCode {
	case http.StatusOK:
		size = res.ContentLength
	case http.StatusPartialContent:
		size = wholeOf(res.Header.Get("Content-Range"))
	case http.StatusRequestedRangeNotSatisfiable: // even the first byte is not there
		return 0, &Error{Code: CodeEmpty}
	default:
		return 0, &Error{Code: codeOfStatus(res.StatusCode)}
	}
	switch {
	case size < 0 || len(res.TransferEncoding) > 0:
		return 0, &Error{Code: CodeNoLength}
	case size == 0:
		return 0, &Error{Code: CodeEmpty}
	default:
		return size, nil
	}
}

// wholeOf reads the length of the whole out of a header Content-Range
// (RFC 9110, 14.4) whose part begins at the beginning; -1: it says none.
func wholeOf(contentRange string) int64 {
	part, whole, _ := strings.Cut(contentRange, "/")
	if !strings.HasPrefix(part, "bytes 0-") {
		return -1
	}
	size, err := strconv.ParseUint(whole, 10, 63)
	if err != nil {
		return -1
	}
	return int64(size)
}

// codeOfStatus is what a status that hands nothing out means.
func codeOfStatus(status int) Code {
	switch status {
	case http.StatusNotFound, http.StatusGone:
		return CodeNotFound
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return CodeHostError
	}
	switch {
	case status >= http.StatusInternalServerError:
		return CodeHostError
	case http.StatusMultipleChoices <= status && status < http.StatusBadRequest:
		return CodeRedirects
	default:
		return CodeRefused
	}
}

// causeOf names a failure.
func causeOf(ctx context.Context, err error) error {
	if own, ok := errors.AsType[*Error](err); ok {
		return own
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("media check: %w", context.Canceled)
	}
	return &Error{Code: codeOf(err)}
}

func codeOf(err error) Code {
	if name, ok := errors.AsType[*net.DNSError](err); ok && name.IsNotFound && !name.IsTemporary {
		return CodeUnknownHost
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return CodeCertificate
	}
	if timed, ok := errors.AsType[net.Error](err); ok && timed.Timeout() {
		return CodeTimeout
	}
	return CodeUnreachable
}
