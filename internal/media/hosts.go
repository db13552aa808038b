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
	// checksAtOnce is how many checks a process runs at a time.
	checksAtOnce = 256
	// checksPerHost is how many of them ask the same host.
	checksPerHost = 4
	// hostsKept bounds the memory for hosts; the least recently asked are forgotten.
	hostsKept = 4096
	// turnTimeout is how long a check waits until it may begin.
	turnTimeout = 5 * time.Second
	// hostFailures is how many checks in a row get no answer before the breaker of
	// a host opens.
	hostFailures = 5
	// hostPause is how long it stays open before one check tries again.
	hostPause = 5 * time.Second
)

// Hosts bounds the checks of a process, in all and for each host, so that a slow
// host delays its own media only. A host that answers nothing for some checks in
// a row is left alone for a while: its media are unreachable at once.
type Hosts struct {
	checker Checker
	checks  *semaphore.Weighted
	known   *lru.Cache[string, *host]
}

// host is what is kept of one host.
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
	return h.Ask(ctx, address, func(ctx context.Context) (Info, error) { return h.checker.Check(ctx, address) })
}

// Ask is Check with a question of the caller's own to the host.
func (h *Hosts) Ask(ctx context.Context, address string, ask func(ctx context.Context) (Info, error)) (Info, error) {
	u, err := url.Parse(address)
	if err != nil || !fetchable(u) {
		return Info{}, &Error{Code: CodeURL}
	}
	asked := h.host(strings.ToLower(u.Host))
	release, err := h.begin(ctx, asked)
	if err != nil {
		return Info{}, err
	}
	defer release()
	info, err := asked.breaker.Execute(func() (Info, error) { return ask(ctx) })
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return Info{}, &Error{Code: CodeUnreachable}
	}
	return info, err //nolint:wrapcheck // that of ask
}

// begin waits for a turn at the host, and then for one of the process: checks
// that wait for a slow host take no turn from those of other hosts.
func (h *Hosts) begin(ctx context.Context, asked *host) (release func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, turnTimeout)
	defer cancel()
	if err := asked.checks.Acquire(waiting, 1); err != nil {
		return nil, notChecked(waiting)
	}
	if err := h.checks.Acquire(waiting, 1); err != nil {
		asked.checks.Release(1)
		return nil, notChecked(waiting)
	}
	return func() {
		h.checks.Release(1)
		asked.checks.Release(1)
	}, nil
}

// host finds a host or makes it.
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

// unanswered reports whether a check failed for want of an answer. An answer
// that refuses one media says nothing about the others of its host.
func unanswered(err error) bool {
	bad, ok := errors.AsType[*Error](err)
	return ok && (bad.Code == CodeUnreachable || bad.Code == CodeTimeout)
}
