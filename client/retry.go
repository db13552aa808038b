package client

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"
)

// retrier sends a request until it has a response that is not worth another try.
type retrier struct {
	opts Options
}

// repeatableKey is the context key of POST requests that may be repeated.
type repeatableKey struct{}

// Repeatable marks the POST requests of the generated client in a context as safe to
// repeat: they have a client reference, or executing them twice changes nothing.
func Repeatable(ctx context.Context) context.Context {
	return context.WithValue(ctx, repeatableKey{}, true)
}

// mayRepeat reports whether a request may be sent again when it may have been
// executed.
func mayRepeat(req *http.Request) bool {
	if req.GetBody == nil && req.Body != nil && req.Body != http.NoBody {
		return false
	}
	if req.Method != http.MethodPost {
		return true // GET, PUT and DELETE are idempotent
	}
	marked, _ := req.Context().Value(repeatableKey{}).(bool)
	return marked || req.Header.Get("Idempotency-Key") != ""
}

// Do implements openapi.HttpRequestDoer. It returns the last response or error
// when the tries or the time of the context are used up.
func (r *retrier) Do(req *http.Request) (*http.Response, error) {
	for try := 0; ; try++ {
		res, err := r.opts.HTTPClient.Do(req) //nolint:gosec // the caller names the service
		if !r.again(req, res, err) || try >= r.opts.Retries {
			return res, err //nolint:wrapcheck // Read describes it without the URL
		}
		wait, ok := r.wait(try, res)
		if !ok || !leavesTime(req.Context(), wait) {
			return res, err //nolint:wrapcheck // likewise
		}
		next, copyErr := copyOf(req)
		if copyErr != nil {
			return res, err //nolint:wrapcheck // the response is worth more than why it cannot be asked for again
		}
		discard(res)
		if err := pause(req.Context(), wait); err != nil {
			return nil, err
		}
		req = next
	}
}

// again reports whether another try may have another outcome, and is safe.
func (r *retrier) again(req *http.Request, res *http.Response, err error) bool {
	if req.Context().Err() != nil {
		return false
	}
	if err != nil {
		return notSent(err) || mayRepeat(req)
	}
	switch res.StatusCode {
	case http.StatusTooManyRequests: // refused before it was looked at
		return req.GetBody != nil || req.Body == nil || req.Body == http.NoBody
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return mayRepeat(req)
	}
	return false
}

// notSent reports whether no connection was made, so that the service has certainly
// not seen the request.
func notSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// wait returns how long to wait before the next try; false: longer than the caller
// wants to wait.
func (r *retrier) wait(try int, res *http.Response) (time.Duration, bool) {
	backoff := r.opts.Backoff << min(try, 30) //nolint:mnd // no overflow
	if backoff <= 0 || backoff > r.opts.BackoffMax {
		backoff = r.opts.BackoffMax
	}
	// Half of it is random, so that callers that failed together do not return together.
	backoff = backoff/2 + rand.N(backoff/2+1) //nolint:gosec // no secret
	if res == nil {
		return backoff, true
	}
	after := retryAfter(res.Header)
	return after + backoff, after <= r.opts.RetryAfterMax
}

// retryAfter returns what the header Retry-After asks for, in seconds or as a date.
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// leavesTime reports whether a context outlasts a pause: the problem of the last
// try says more than an expired context.
func leavesTime(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > wait
}

// copyOf returns a request that can be sent again.
func copyOf(req *http.Request) (*http.Request, error) {
	next := req.Clone(req.Context())
	if req.GetBody == nil {
		return next, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err //nolint:wrapcheck // not shown
	}
	next.Body = body
	return next, nil
}

// discard ends a response so that its connection can be used again.
func discard(res *http.Response) {
	if res == nil {
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxProblem)) // what is longer costs the connection only
	_ = res.Body.Close()
}

// pause waits, or ends with the context.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
