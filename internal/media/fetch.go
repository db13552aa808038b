// Package media checks the media of a message before Sinch fetches them:
// whether a URL leads to a public host, and whether the host sends a file that an MMS
// can carry, with a length, small enough, and of its declared type.
//
// [Fetcher] makes one check. [Hosts] bounds concurrent checks, in total and for each
// host. [Shared] makes one check of a URL for all replicas. No error, key or value
// contains more of a URL than a hash.
package media

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"mmsdispatch/internal/egress"
)

const (
	// DefaultTimeout bounds one check: a host that needs longer for a few kilobytes is
	// too slow for Sinch as well.
	DefaultTimeout = 5 * time.Second

	idleTimeout  = 5 * time.Second
	idleConns    = 64
	maxHeader    = 64 << 10
	maxRedirects = 3
	// firstBytes is the number of bytes that are read: mimetype inspects no more.
	firstBytes = 4096
	userAgent  = "mmsdispatch-media-check/1"
)

// Info describes a media that can be sent.
type Info struct {
	Type string // content type, without parameters
	Size int64  // bytes
	URL  string // of the fitted file; empty: its own URL

	Still bool // it is the first picture of an animation, which did not fit
}

// Options are the limits of a check.
type Options struct {
	MaxBytes     int64         // of one media
	AllowPrivate bool          // fetch from addresses that are not public, too
	Timeout      time.Duration // of one check; zero: DefaultTimeout
	Resolver     *net.Resolver // nil: the system's
	TLS          *tls.Config   // nil: the system's trust
}

// Fetcher checks media by requests of their hosts.
type Fetcher struct {
	opts   Options
	client *http.Client
}

// NewFetcher makes a Fetcher. It ignores the environment's proxy, which would dial the
// address of the media without the guard.
func NewFetcher(o Options) *Fetcher {
	return newFetcher(o, egress.New(o.AllowPrivate))
}

func newFetcher(o Options, permits egress.Guard) *Fetcher {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	// Names, connections and handshakes share the time of the check.
	dialer := &net.Dialer{Resolver: o.Resolver, ControlContext: permits.Control}
	return &Fetcher{opts: o, client: &http.Client{
		CheckRedirect: checkRedirect,
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSClientConfig:        o.TLS,
			DisableCompression:     true, // else the length would be that of the compressed body
			MaxIdleConns:           idleConns,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: maxHeader,
		},
	}}
}

// Close closes idle connections.
func (f *Fetcher) Close() { f.client.CloseIdleConnections() }

// checkRedirect bounds redirects. The guard checks their addresses at the dial. The
// next host gets no Referer: the query of the URL before may be a signature.
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

// Check fetches a media as Sinch will: by one plain GET. Many hosts respond differently
// to HEAD and ranged GET, so these prove nothing. It reads the first 4 KiB of the body,
// then closes the connection. The error is an *Error,
// or that of ctx when it was canceled.
func (f *Fetcher) Check(ctx context.Context, address string) (Info, error) {
	ctx, cancel := context.WithTimeout(ctx, f.opts.Timeout)
	defer cancel()
	res, err := f.get(ctx, address)
	if err != nil {
		return Info{}, err
	}
	defer res.Body.Close()
	return f.judge(ctx, res)
}

// get makes one plain GET.
func (f *Fetcher) get(ctx context.Context, address string) (*http.Response, error) {
	u, err := url.Parse(address)
	if err != nil || !fetchable(u) {
		return nil, &Error{Code: CodeURL}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, &Error{Code: CodeURL}
	}
	req.Header.Set("User-Agent", userAgent)
	res, err := f.client.Do(req)
	if err != nil {
		return nil, causeOf(ctx, err)
	}
	return res, nil
}

// judge checks a response and the first bytes of its body.
func (f *Fetcher) judge(ctx context.Context, res *http.Response) (Info, error) {
	if res.StatusCode != http.StatusOK {
		return Info{}, &Error{Code: codeOfStatus(res.StatusCode)}
	}
	size := res.ContentLength
	switch {
	case size < 0 || len(res.TransferEncoding) > 0:
		return Info{}, &Error{Code: CodeNoLength}
	case size == 0:
		return Info{}, &Error{Code: CodeEmpty}
	case size > f.opts.MaxBytes:
		return Info{}, &Error{Code: CodeTooLarge}
	}
	contentType := res.Header.Get("Content-Type")
	claimed, ok := formatOf(contentType)
	if !ok {
		return Info{}, &Error{Code: codeOfType(contentType)}
	}
	first, err := io.ReadAll(io.LimitReader(res.Body, firstBytes))
	if err != nil {
		return Info{}, causeOf(ctx, err)
	}
	if !claimed.begins(first) {
		return Info{}, &Error{Code: CodeMismatch}
	}
	return Info{Type: claimed.name(), Size: size}, nil
}

// codeOfStatus is the code of a status other than 200.
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

// causeOf classifies a failure.
func causeOf(ctx context.Context, err error) error {
	if own, ok := errors.AsType[*Error](err); ok {
		return own
	}
	if errors.Is(err, egress.ErrPrivate) {
		return &Error{Code: CodePrivate}
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("media check: %w", context.Canceled)
	}
	return &Error{Code: codeOf(err)}
}

func codeOf(err error) Code {
	if name, ok := errors.AsType[*net.DNSError](err); ok && name.IsNotFound && !name.IsTemporary {
		return CodePrivate
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return CodeCertificate
	}
	if timed, ok := errors.AsType[net.Error](err); ok && timed.Timeout() {
		return CodeTimeout
	}
	return CodeUnreachable
}
