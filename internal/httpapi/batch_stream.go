package httpapi

import (
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

const (
	// rowsMax is how many rows a stream may have.
	rowsMax = 1_000_000
)

// rowReader reads the rows of a stream. Begin reads what stands before them.
type rowReader interface {
	Begin() (wrong []message.FieldError)
	Next() (message.Fields, error)
}

// streamQuery reads the parameters of a stream: its reference, whether it is a
// rehearsal, and the defaults of its rows.
func streamQuery(r *http.Request) (reference string, defaults message.Fields, dryRun bool, wrong []message.FieldError) {
	names := []string{"dryRun", "clientReference"}
	for name := range r.URL.Query() {
		if name != "clientReference" && message.Column(name) {
			names = append(names, name)
		}
	}
	q := readQuery(r, names...)
	for _, name := range names[2:] {
		if value, ok := q.get(name); ok {
			defaults.Set(name, value)
		}
	}
	if !defaults.Has("priority") {
		defaults.Set("priority", string(message.Bulk))
	}
	dryRun = q.truth("dryRun")
	parameter, given := q.get("clientReference")
	if given && parameter == "" {
		q.wrong("clientReference", message.ProblemInvalid, "must not be empty")
	}
	reference, problems := message.BatchReference(parameter, r.Header.Values(keyHeader))
	return reference, defaults, dryRun, append(q.problems, problems...)
}

// createStreamed takes a batch whose rows come one after the other. While a
// chunk is written down, the next one is read and checked.
func (a *api) createStreamed(c echo.Context, who Caller, rows rowReader) error {
	reference, defaults, dryRun, wrong := streamQuery(c.Request())
	extend(c)
	wrong = slices.Concat(wrong, a.Rules.CheckDefaults(defaults, ""), rows.Begin())
	if len(wrong) > 0 {
		return invalid(wrong)
	}
	b := newBatchRun(a, who)
	b.dryRun = dryRun
	defer b.settle()
	first, err := a.readChunk(rows, defaults, 0)
	switch {
	case len(first) == 0 && err != nil:
		return b.interrupted(err)
	case len(first) == 0:
		return errNoRows()
	}
	if !dryRun {
		ctx, cancel := a.bounded(c)
		defer cancel()
		if err := b.open(ctx, ledger.BatchRequest{Scope: who.Scope, Reference: reference, Now: a.now()}); err != nil {
			return err
		}
	}
	next := func(index int64) ([]draftRow, error) { return a.readChunk(rows, defaults, index) }
	if err := a.stream(c, b, first, err, next); err != nil {
		return b.interrupted(err)
	}
	b.finish(c)
	return nil
}

func errNoRows() error {
	return invalid([]message.FieldError{{Field: "messages", Code: message.ProblemRequired, Message: "at least one row is required"}})
}

// stream takes all rows. The chunk that is being written is waited for before
// the next one is handed over, so that two are in memory at most.
func (*api) stream(
	c echo.Context, b *batchRun, first []draftRow, end error, next func(index int64) ([]draftRow, error),
) error {
	written := make(chan error, 1)
	written <- nil
	index := int64(0)
	for chunk, err := first, end; ; chunk, err = next(index) {
		extend(c)
		index += int64(len(chunk))
		if failed := <-written; failed != nil {
			return failed
		}
		if err != nil || len(chunk) == 0 {
			if len(chunk) > 0 {
				if failed := b.accept(chunk); failed != nil {
					return failed
				}
			}
			return err
		}
		go func() { written <- b.accept(chunk) }()
	}
}

// readChunk reads and checks rows; fewer than chunkRows, or none, at the end.
func (a *api) readChunk(rows rowReader, defaults message.Fields, index int64) ([]draftRow, error) {
	now := a.now()
	chunk := make([]draftRow, 0, chunkRows)
	for len(chunk) < chunkRows {
		fields, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return chunk, nil
		}
		if err != nil {
			return chunk, &cutError{row: index, cause: err}
		}
		row := draftRow{index: index, draft: a.Rules.CheckRow(fields, defaults, now)}
		if index >= rowsMax {
			row.draft.Problems = []message.FieldError{{Code: message.ProblemTooMany, Message: "at most 1,000,000 rows"}}
		}
		chunk = append(chunk, row)
		index++
	}
	return chunk, nil
}
