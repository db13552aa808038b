package httpapi

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"sync"
	"time"
)

// readyFor is the time for which an answer of /readyz is cached: unauthenticated
// requests on the public listener must not load Redis.
const readyFor = time.Second

// cachedAnswer caches the response of a handler for readyFor.
type cachedAnswer struct {
	next http.Handler

	mu      sync.Mutex // locked during a call of next: one call at a time
	checked time.Time
	last    recordedAnswer
}

// ServeHTTP implements http.Handler.
func (a *cachedAnswer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	last := a.answer(r)
	maps.Copy(w.Header(), last.header)
	w.WriteHeader(last.status)
	_, _ = w.Write(last.body.Bytes())
}

// answer returns the cached response, or calls next. The call is not canceled
// with the request that caused it, because other requests wait for it.
func (a *cachedAnswer) answer(r *http.Request) recordedAnswer {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := time.Now(); a.checked.IsZero() || now.Sub(a.checked) >= readyFor {
		fresh := recordedAnswer{header: make(http.Header), status: http.StatusOK}
		a.next.ServeHTTP(&fresh, r.WithContext(context.WithoutCancel(r.Context())))
		a.checked, a.last = now, fresh
	}
	return a.last
}

// recordedAnswer buffers a response.
type recordedAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *recordedAnswer) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recordedAnswer) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *recordedAnswer) Write(p []byte) (int, error) { return r.body.Write(p) } //nolint:wrapcheck // never fails
