package httpapi

import (
	"io"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

const (
	// rowsMax is the limit of rows in a stream.
	rowsMax = 1_000_000
)

// rowReader reads the rows of a stream. Begin reads the header before them.
type rowReader interface {
	Begin() (wrong []message.FieldError)
	Next() (message.Fields, error)
}

// streamRequest are the parameters of a stream: those of its batch, and the defaults
// of its rows.
type streamRequest struct {
	reference string
	pace      int64 // messages in a million seconds; zero: any number
	dryRun    bool
	defaults  message.Fields
	problems  []message.FieldError
}

const paceParam = "maxPerSecond"

// streamQuery reads the parameters of a stream.
func streamQuery(r *http.Request) streamRequest {
	names := []string{"dryRun", "clientReference", paceParam}
	own := len(names)
	var defaults message.Fields
	for name := range r.URL.Query() {
		if name != "clientReference" && message.Column(name) {
			names = append(names, name)
		}
	}
	q := readQuery(r, names...)
	for _, name := range names[own:] {
		if value, ok := q.get(name); ok {
			defaults.Set(name, value)
		}
	}
	if !defaults.Has("priority") {
		defaults.Set("priority", string(message.Bulk))
	}
	request := streamRequest{defaults: defaults, dryRun: q.truth("dryRun")}
	parameter, given := q.get("clientReference")
	if given && parameter == "" {
		q.wrong("clientReference", message.ProblemInvalid, "must not be empty")
	}
	var wrong, wrongPace []message.FieldError
	request.reference, wrong = message.BatchReference(parameter, r.Header.Values(keyHeader))
	if written, ok := q.get(paceParam); ok {
		request.pace, wrongPace = message.ParsePace(written)
	}
	request.problems = slices.Concat(q.problems, wrong, wrongPace, defaults.Problems())
	return request
}

// createStreamed accepts a batch as a stream. The next chunk is read and
// validated while the previous one is accepted.
func (a *api) createStreamed(c echo.Context, caller Caller, newRows func(io.Reader) rowReader) error {
	request := streamQuery(c.Request())
	current := callOf(c)
	current.working = a.work.grant(caller.Scope.Tenant)
	if err := current.working.grow(c.Request().Context(), streamCost); err != nil {
		return err
	}
	extend(c)
	body := &meter{from: c.Request().Body}
	rules := a.Rules.For(caller.Scope.Tenant)
	s := &rowStream{
		api: a, rules: rules, tenant: caller.Scope.Tenant, kept: &current.working,
		body: body, rows: newRows(body), defaults: request.defaults,
	}
	wrong := slices.Concat(request.problems, rules.CheckDefaults(request.defaults, ""), s.rows.Begin())
	if len(wrong) > 0 {
		return invalid(wrong)
	}
	b := newBatchRun(a, caller)
	b.dryRun = request.dryRun
	defer b.waitDispatched()
	first, err := s.next(c.Request().Context())
	switch {
	case len(first.rows) == 0 && err != nil:
		return b.interrupted(err)
	case len(first.rows) == 0:
		return errNoRows()
	}
	if !request.dryRun {
		ctx, cancel := a.bounded(c)
		defer cancel()
		opened := ledger.BatchRequest{Scope: caller.Scope, Reference: request.reference, Pace: request.pace, Now: a.now()}
		if err := b.open(ctx, c, opened); err != nil {
			first.release()
			return err
		}
	}
	if err := s.acceptAll(c, b, first, err); err != nil {
		return b.interrupted(err)
	}
	b.finish(c)
	return nil
}

func errNoRows() error {
	return invalid([]message.FieldError{{Field: "messages", Code: message.ProblemRequired, Message: "at least one row is required"}})
}

// acceptAll accepts all chunks. It waits for the chunk in progress before it
// passes on the next one, so that at most two are in memory.
func (s *rowStream) acceptAll(c echo.Context, b *batchRun, first chunk, end error) error {
	accepted := make(chan error, 1)
	accepted <- nil
	for next, err := first, end; ; next, err = s.next(c.Request().Context()) {
		extend(c)
		if failed := <-accepted; failed != nil {
			next.release()
			return failed
		}
		if err != nil || len(next.rows) == 0 {
			if len(next.rows) > 0 {
				if failed := b.accept(next); failed != nil {
					return failed
				}
			}
			return err
		}
		go func() { accepted <- b.accept(next) }()
	}
}
