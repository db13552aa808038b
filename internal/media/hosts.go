package media

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/sync/semaphore"
)

const (
	// checksAtOnce is the maximum of concurrent checks of a process.
	checksAtOnce = 256
	// checksPerHost is their maximum for one host.
	checksPerHost = 4
	// hostsKept bounds the cached hosts; the least recently used are evicted.
	hostsKept = 4096
	// slotTimeout bounds the wait of a check for its begin.
	slotTimeout = 5 * time.Second
	// hostFailures is the number of consecutive checks without a response that opens the
	// breaker of a host.
	hostFailures = 5
	// hostPause is the time that it stays open before one check tries again.
	hostPause = 5 * time.Second
)

// Hosts bounds the checks of a process, in total and for each host, so that a slow host
// delays its own media only. After some consecutive checks without a response, a
// breaker rejects the media of the host for a while.
type Hosts struct {
	checker Checker
	checks  *semaphore.Weighted
	known   *lru.Cache[string, *host]
}

// host is the state of one host.
type host struct {
	checks  *semaphore.Weighted
	breaker *gobreaker.CircuitBreaker[Info]
}

// NewHosts bounds the checks of a Checker.
func NewHosts(checker Checker) *Hosts {
	known, _ := lru.New[string, *host](hostsKept) // its one error is a size below 1
	return &Hosts{checker: checker, checks: semaphore.NewWeighted(checksAtOnce), known: known}
}

// Check implements Checker. A check that cannot begin in time fails with
// ErrNotChecked.
func (h *Hosts) Check(ctx context.Context, address string) (Info, error) {
	return h.Do(ctx, address, func(ctx context.Context) (Info, error) { return h.checker.Check(ctx, address) })
}

// Do is Check with the caller's request of the host.
func (h *Hosts) Do(ctx context.Context, address string, request func(ctx context.Context) (Info, error)) (Info, error) {
	u, err := url.Parse(address)
	if err != nil || !fetchable(u) {
		return Info{}, &Error{Code: CodeURL}
	}
	host := h.host(strings.ToLower(u.Host))
	release, err := h.begin(ctx, host)
	if err != nil {
		return Info{}, err
	}
	defer release()
	info, err := host.breaker.Execute(func() (Info, error) { return request(ctx) })
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return Info{}, &Error{Code: CodeUnreachable}
	}
	return info, err //nolint:wrapcheck // that of request
}

// begin waits for a slot of the host, and then for one of the process: checks that wait
// for a slow host use no slot of other hosts.
func (h *Hosts) begin(ctx context.Context, host *host) (release func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, slotTimeout)
	defer cancel()
	if err := host.checks.Acquire(waiting, 1); err != nil {
		return nil, notChecked(waiting)
	}
	if err := h.checks.Acquire(waiting, 1); err != nil {
		host.checks.Release(1)
		return nil, notChecked(waiting)
	}
	return func() {
		h.checks.Release(1)
		host.checks.Release(1)
	}, nil
}

// host returns the state of a host, or a new one.
func (h *Hosts) host(name string) *host {
	if known, ok := h.known.Get(name); ok {
		return known
	}
	fresh := newHost()
	if known, ok, _ := h.known.PeekOrAdd(name, fresh); ok {
		return known
	}
	return fresh
}

func newHost() *host {
	return &host{
		checks: semaphore.NewWeighted(checksPerHost),
		breaker: gobreaker.NewCircuitBreaker[Info](gobreaker.Settings{
			Timeout:      hostPause,
			ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= hostFailures },
			IsSuccessful: func(err error) bool { return !unanswered(err) },
			IsExcluded:   func(err error) bool { return errors.Is(err, context.Canceled) },
		}),
	}
}

// unanswered reports whether a check failed without a response. A response that refuses
// one media does not count for the others of its host.
func unanswered(err error) bool {
	bad, ok := errors.AsType[*Error](err)
	return ok && (bad.Code == CodeUnreachable || bad.Code == CodeTimeout)
}
