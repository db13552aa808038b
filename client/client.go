// Package client sends MMS through a dispatcher.
//
// A Client retries what is safe to repeat: after 429, 502, 503 and 504, and after
// a broken connection, with backoff and jitter, until the context ends. A message
// and a batch have a client reference, which New gives them when the caller does
// not, so that a repeated request never sends a message twice.
//
// A response that is a problem (RFC 9457) is an *Error. The types of the API and
// the operations that this package has no method for are in package openapi, which
// is generated from the OpenAPI document.
package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mmsdispatch/client/openapi"
)

// The defaults of Options.
const (
	DefaultRetries       = 5
	DefaultBackoff       = 200 * time.Millisecond
	DefaultBackoffMax    = 10 * time.Second
	DefaultRetryAfterMax = time.Minute
	DefaultTimeout       = 30 * time.Second
)

// Options are the settings of a Client. The zero value has the defaults.
type Options struct {
	// HTTPClient sends the requests. nil: one of its own, with connections that are
	// kept, and DefaultTimeout for a request.
	HTTPClient *http.Client

	// Retries is how often a request is repeated. 0: DefaultRetries; negative: never.
	Retries int

	// Backoff is the pause before the second try. It doubles with each further one, up
	// to BackoffMax; half of it is random. 0: DefaultBackoff and DefaultBackoffMax.
	Backoff, BackoffMax time.Duration

	// RetryAfterMax is the longest Retry-After that is waited for; a longer one, as of
	// a daily quota, ends the tries. 0: DefaultRetryAfterMax.
	RetryAfterMax time.Duration

	// UserAgent names the application in the requests. Empty: "mmsdispatch-go".
	UserAgent string
}

func (o Options) withDefaults() Options {
	if o.HTTPClient == nil {
		o.HTTPClient = newHTTPClient()
	}
	switch {
	case o.Retries == 0:
		o.Retries = DefaultRetries
	case o.Retries < 0:
		o.Retries = 0
	}
	if o.Backoff <= 0 {
		o.Backoff = DefaultBackoff
	}
	if o.BackoffMax <= 0 {
		o.BackoffMax = DefaultBackoffMax
	}
	if o.RetryAfterMax <= 0 {
		o.RetryAfterMax = DefaultRetryAfterMax
	}
	if o.UserAgent == "" {
		o.UserAgent = "mmsdispatch-go"
	}
	return o
}

// newHTTPClient returns a client that keeps more than net/http's two connections to
// a host: callers of one service usually have many requests at once.
func newHTTPClient() *http.Client {
	const connections, keepAlive, dialTimeout, idleTimeout = 64, 30 * time.Second, 5 * time.Second, 90 * time.Second
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}
	return &http.Client{
		Timeout: DefaultTimeout,
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         dialer.DialContext,
			ForceAttemptHTTP2:   true,
			MaxIdleConns:        connections,
			MaxIdleConnsPerHost: connections,
			IdleConnTimeout:     idleTimeout,
			TLSHandshakeTimeout: dialTimeout,
		},
	}
}

// Client sends requests to one service with one key. It is safe for concurrent use.
type Client struct {
	api *openapi.Client
}

// ErrBaseURL is the error for a URL that no request can be sent to.
var ErrBaseURL = errors.New("the base URL begins with http:// or https:// and has a host, such as https://mms.example.com")

// ErrNoKey is the error for a missing API key.
var ErrNoKey = errors.New("there is no API key")

// New returns a client of the service at a base URL, with an API key.
func New(baseURL, key string, opts Options) (*Client, error) {
	base, err := url.Parse(baseURL)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, ErrBaseURL
	}
	if key == "" {
		return nil, ErrNoKey
	}
	opts = opts.withDefaults()
	api, err := openapi.NewClient(strings.TrimRight(baseURL, "/"),
		openapi.WithHTTPClient(&retrier{opts: opts}),
		openapi.WithRequestEditorFn(func(_ context.Context, req *http.Request) error {
			req.Header.Set("Authorization", "Bearer "+key)
			req.Header.Set("User-Agent", opts.UserAgent)
			return nil
		}))
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return &Client{api: api}, nil
}

// OpenAPI returns the generated client, which has a method for each operation. Its
// requests have the key and the retries of c: without a reference a POST is
// repeated only when the service has certainly not executed it. Read turns its
// responses into values and errors.
func (c *Client) OpenAPI() *openapi.Client { return c.api }
