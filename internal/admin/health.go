package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/telemetry"
)

// checkTimeout bounds all checks together, below the timeout of probes.
const checkTimeout = 1500 * time.Millisecond

// stopping is listed as down while the process stops, so that no new requests are
// routed to it.
const stopping = "stopping"

// Check is a dependency of a process.
type Check struct {
	Name string
	Func func(ctx context.Context) error
}

// Readiness reports whether a process can work. It serves /readyz, also on the
// public listener.
type Readiness struct {
	checks       []Check
	warningsFunc func() []string
	log          zerolog.Logger
	stopping     atomic.Bool

	mu     sync.Mutex
	last   []string // the dependencies that were down at the last check, to log changes only
	before bool     // it was ready before
}

// NewReadiness combines checks. warningsFunc returns faults that do not stop the
// process from working; it may be nil and must not block.
func NewReadiness(log zerolog.Logger, warningsFunc func() []string, checks ...Check) *Readiness {
	if warningsFunc == nil {
		warningsFunc = func() []string { return nil }
	}
	return &Readiness{checks: checks, warningsFunc: warningsFunc, log: log}
}

// Stopping makes the process not ready for the rest of its life.
func (r *Readiness) Stopping() { r.stopping.Store(true) }

// Down names the dependencies that are down, in the order of the checks; empty
// means ready.
func (r *Readiness) Down(ctx context.Context) []string {
	// A probe that disconnects early must not cancel the checks and count as an
	// outage.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()

	answers := make([]chan error, len(r.checks))
	for i, check := range r.checks {
		answers[i] = make(chan error, 1)

		go func() { answers[i] <- check.Func(ctx) }()
	}

	down, causes := []string{}, []string{}

	for i, check := range r.checks {
		if err := await(ctx, answers[i]); err != nil {
			down = append(down, check.Name)
			causes = append(causes, telemetry.Scrub(err.Error()))
		}
	}

	if r.stopping.Load() {
		down = append(down, stopping)
	}

	r.logChange(down, causes)
	return down
}

// await receives a result, preferring one that has arrived over the end of ctx.
func await(ctx context.Context, answer <-chan error) error {
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
	}

	select {
	case err := <-answer:
		return err
	default:
		return fmt.Errorf("no answer: %w", ctx.Err())
	}
}

// logChange logs the dependencies that are down, once for each change.
func (r *Readiness) logChange(down, causes []string) {
	r.mu.Lock()
	first := len(down) == 0 && !r.before
	changed := first || !slices.Equal(down, r.last)
	r.last, r.before = down, r.before || first
	r.mu.Unlock()

	switch {
	case !changed:
	case first:
		r.log.Info().Msg("ready")
	case len(down) == 0:
		r.log.Info().Msg("ready again")
	default:
		r.log.Warn().Strs("down", down).Str(zerolog.ErrorFieldName, strings.Join(causes, "; ")).Msg("not ready")
	}
}

// ServeHTTP responds 200, or 503 with the dependencies that are down. Warnings do
// not change the status.
func (r *Readiness) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	down := r.Down(request.Context())

	answer := struct {
		Status   string   `json:"status"`
		Down     []string `json:"down"`
		Warnings []string `json:"warnings"`
	}{Status: "UP", Down: down, Warnings: append([]string{}, r.warningsFunc()...)}

	status := http.StatusOK
	if len(down) > 0 {
		answer.Status, status = "DOWN", http.StatusServiceUnavailable
	}

	writeJSON(w, status, answer)
}

// ServeLive responds 200 as long as the process runs.
func ServeLive(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "UP"})
}

func writeJSON(w http.ResponseWriter, status int, content any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(content) //nolint:errchkjson // plain structs; it fails only when the probe has disconnected
}
