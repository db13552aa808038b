package callback

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"mmsdispatch/internal/egress"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// outcome is what an attempt came to.
type outcome string

// The outcomes.
const (
	outcomeDelivered outcome = "delivered"
	outcomeRetry     outcome = "retry"
	outcomeFailed    outcome = "failed"
)

// result is the outcome of an attempt, and what is shown of it.
type result struct {
	outcome   outcome
	attempted bool
	gone      bool          // the endpoint answered 410
	response  int           // status; 0: there was none
	error     string        // without a URL
	after     time.Duration // pause before the next attempt
}

// request is one attempt at a delivery.
type request struct {
	id      string
	url     string
	at      time.Time
	body    []byte
	secrets []string
	trace   message.Trace
}

const (
	userAgent = "mmsdispatch-callback/1"
	// responseMax is how much of a response is read, so that its connection can be
	// used again.
	responseMax   = 16 << 10
	responseHead  = 16 << 10
	idleConns     = 256
	idlePerHost   = attemptsOfEndpoint
	idleTimeout   = 30 * time.Second
	handshakeTime = 10 * time.Second
)

// client posts callbacks. It takes no proxy from the environment, which would dial
// out of reach of the guard, and follows no redirects.
type client struct {
	http         *http.Client
	allowPrivate bool
}

func newClient(timeout time.Duration, allowPrivate bool) *client {
	dialer := &net.Dialer{ControlContext: egress.New(allowPrivate).Control}
	return &client{allowPrivate: allowPrivate, http: &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			ForceAttemptHTTP2:      true,
			DisableCompression:     true,
			MaxIdleConns:           idleConns,
			MaxIdleConnsPerHost:    idlePerHost,
			IdleConnTimeout:        idleTimeout,
			TLSHandshakeTimeout:    handshakeTime,
			MaxResponseHeaderBytes: responseHead,
		},
	}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// post makes one attempt. after is the pause before the next one, unless the
// endpoint asks for another.
func (c *client) post(ctx context.Context, r request, after time.Duration) result {
	failure := result{outcome: outcomeRetry, attempted: true, after: after}
	if !c.allowed(r.url) {
		return result{outcome: outcomeFailed, attempted: true, error: "the URL is not https"}
	}
	signature, err := sign(r)
	if err != nil {
		failure.error = "the secret is unusable"
		return failure
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, message.WireURL(r.url), bytes.NewReader(r.body))
	if err != nil {
		return result{outcome: outcomeFailed, attempted: true, error: "the URL is unusable"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set(webhooks.HeaderWebhookID, r.id)
	req.Header.Set(webhooks.HeaderWebhookTimestamp, strconv.FormatInt(r.at.Unix(), 10))
	req.Header.Set(webhooks.HeaderWebhookSignature, signature)
	if r.trace != "" {
		req.Header.Set("Traceparent", r.trace.Parent())
	}
	res, err := c.http.Do(req)
	if err != nil {
		failure.error = cause(err)
		return failure
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, responseMax) // its status is the answer
	return judge(res, failure)
}

func (c *client) allowed(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "https" || c.allowPrivate && u.Scheme == "http")
}

// judge reads the outcome from a response. Any 2xx is success.
func judge(res *http.Response, failure result) result {
	failure.response = res.StatusCode
	switch code := res.StatusCode; {
	case code >= http.StatusOK && code < http.StatusMultipleChoices:
		return result{outcome: outcomeDelivered, attempted: true, response: code}
	case code == http.StatusGone:
		failure.outcome, failure.gone, failure.error = outcomeFailed, true, "the endpoint answered 410 Gone"
	case code >= http.StatusMultipleChoices && code < http.StatusBadRequest:
		failure.error = "the endpoint answered with a redirect, which is not followed"
	default:
		failure.error = "the endpoint answered with status " + strconv.Itoa(code)
	}
	if res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable {
		if after, ok := retryAfter(res.Header.Get("Retry-After"), time.Now()); ok {
			failure.after = max(after, time.Second)
		}
	}
	return failure
}

// retryAfter reads the header, seconds or a date (RFC 9110, 10.2.3).
func retryAfter(value string, now time.Time) (time.Duration, bool) {
	if seconds, err := strconv.ParseInt(strings.TrimSpace(value), 10, 32); err == nil && seconds >= 0 {
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(value)
	return max(0, at.Sub(now)), err == nil
}

// sign makes the signatures of all secrets.
func sign(r request) (string, error) {
	all := make([]string, 0, len(r.secrets))
	for _, secret := range r.secrets {
		webhook, err := webhooks.NewWebhook(secret)
		if err != nil || secret == "" {
			return "", errors.Join(errSecret, err)
		}
		one, err := webhook.Sign(r.id, r.at, r.body)
		if err != nil {
			return "", errors.Join(errSecret, err)
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		return "", errSecret
	}
	return strings.Join(all, " "), nil
}

// errSecret is returned for a secret that cannot sign.
var errSecret = errors.New("unusable secret")

// cause names a failure without its URL or address.
func cause(err error) string {
	switch certificate := (*tls.CertificateVerificationError)(nil); {
	case errors.Is(err, egress.ErrPrivate):
		return "the endpoint has no public address"
	case errors.As(err, &certificate):
		return "the certificate of the endpoint is not trusted"
	}
	if name, ok := errors.AsType[*net.DNSError](err); ok && name.IsNotFound {
		return "the endpoint has no public address" // callers must not learn which names a private network has
	}
	if timed, ok := errors.AsType[net.Error](err); ok && timed.Timeout() {
		return "the endpoint did not answer in time"
	}
	return "the endpoint cannot be reached"
}

// After is the pause after a failure: exponential, with up to a quarter of it on top.
func (s Schedule) After(failures int) time.Duration {
	pause := s.First
	for range failures - 1 {
		if pause >= s.Most {
			break
		}
		pause *= 2
	}
	pause = min(pause, s.Most)
	const share = 4
	return min(pause+rand.N(pause/share+1), s.Most) //nolint:gosec // not a secret
}

// notFound turns the ledger's error into that of this package.
func notFound(err error) error {
	if errors.Is(err, ledger.ErrNotFound) {
		return ErrNotFound
	}
	return err
}
