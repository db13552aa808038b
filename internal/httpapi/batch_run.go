package httpapi

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/rowstream"
	"mmsdispatch/internal/tracing"
)

const (
	// chunksDispatched bounds the chunks whose tasks are being enqueued: with two,
	// Redis is busy with one while the other is prepared.
	chunksDispatched = 2
	// resultsMax bounds the rows listed in the response to a stream.
	resultsMax = 1000
	// problemsOfBatch bounds the problems listed in the response to a batch.
	problemsOfBatch = 5000
)

// rowResult is the outcome of a row in a response.
type rowResult struct {
	Index        int64                 `json:"index"`
	Status       string                `json:"status"`
	ID           *string               `json:"id"`
	Error        *[]message.FieldError `json:"error"`
	MoreProblems int                   `json:"moreProblems,omitzero"` // beside those of Error
}

// The states of a row.
const (
	rowAccepted  = "accepted"
	rowDuplicate = "duplicate"
	rowRejected  = "rejected"
)

// batchAnswer is the response to a batch.
type batchAnswer struct {
	ID              *string          `json:"id"`
	Accepted        int64            `json:"accepted"`
	Duplicates      int64            `json:"duplicates"`
	Rejected        int64            `json:"rejected"`
	RepeatedNumbers int64            `json:"repeatedNumbers"`
	Held            int64            `json:"held,omitzero"`      // by quiet hours, in a dry run
	HeldUntil       *string          `json:"heldUntil,omitzero"` // the last of them
	Preview         []jsontext.Value `json:"preview,omitzero"`   // of accepted rows, in a dry run
	Results         []rowResult      `json:"results"`
	MoreProblems    int              `json:"moreProblems,omitzero"` // cut from the list by problemsOfBatch
}

// batchRun accepts the rows of one batch.
type batchRun struct {
	api      *api
	caller   Caller
	quota    ledger.Quota // of the key
	batch    ledger.Batch
	known    bool // the request repeats a batch
	all      bool // every row is listed, not only those that were not accepted
	dryRun   bool
	response batchAnswer
	// duplicates are listed in the room that rejected rows leave: a stream that is
	// sent again begins with its accepted rows.
	duplicates []rowResult
	content    *contentDetector // nil: no matter what rows share
	uploads    *reservation
	groups     groups
	numbers    rowstream.Numbers // of all rows so far
	problems   int               // listed so far
	heldUntil  time.Time         // of a dry run, the last one
	trace      message.Trace     // of the request

	dispatching chan struct{} // holds a token for each chunk whose tasks are being made
}

func newBatchRun(a *api, caller Caller) *batchRun {
	b := &batchRun{api: a, caller: caller, quota: caller.Quota, dispatching: make(chan struct{}, chunksDispatched)}
	b.uploads = newReservation(a.Uploads, caller.Scope)
	if a.FindShared && !caller.Scope.Test {
		b.content = newContentDetector()
	}
	return b
}

// open creates the batch, or finds the one with its reference.
func (b *batchRun) open(ctx context.Context, c echo.Context, r ledger.BatchRequest) (err error) {
	b.batch, b.known, err = b.api.Batches.OpenBatch(ctx, r)
	if err != nil {
		return err
	}
	callOf(c).batch = b.batch.ID
	b.trace = b.api.Tracer.Request(c.Request().Context())
	b.response.ID = some(string(b.batch.ID))
	b.batch.Quota = b.quota
	return nil
}

// validate lists for each row whether it would be accepted; it is the dry run.
func (b *batchRun) validate(rows []draftRow) {
	for _, row := range rows {
		if wrong := slices.Concat(row.wrong(), row.draft.Late); len(wrong) > 0 {
			b.reject(row, wrong)
			continue
		}
		b.preview(row)
		b.report(rowResult{Index: row.index, Status: rowAccepted}, row)
	}
}

// previewMax is the number of rows that a dry run shows as they would be accepted.
const previewMax = 3

// preview shows a row as it would be accepted, if it is one of the first, and whether
// it would wait for the end of quiet hours.
func (b *batchRun) preview(row draftRow) {
	m := b.api.dryRunMessage(b.caller, row.draft)
	if len(b.response.Preview) < previewMax {
		b.response.Preview = append(b.response.Preview, showMessage(m))
	}
	if m.HeldUntil.IsZero() {
		return
	}
	b.response.Held++
	if m.HeldUntil.After(b.heldUntil) {
		b.heldUntil, b.response.HeldUntil = m.HeldUntil, at(m.HeldUntil)
	}
}

// accept records the rows of a chunk and enqueues the tasks of new messages. Only
// a storage failure is an error.
func (b *batchRun) accept(c chunk) error {
	if err := b.reserveMedia(c.rows); err != nil {
		c.release()
		return err
	}
	if b.dryRun {
		defer c.release()
		b.validate(c.rows)
		return nil
	}
	rows := b.marked(c.rows)
	spans := b.traceRows(rows)
	results, err := b.write(rows)
	if err != nil {
		c.release()
		return err
	}
	fresh := make([]*message.Message, 0, len(results))
	var suppressed []*message.Message
	for _, row := range c.rows {
		if wrong := row.wrong(); len(wrong) > 0 {
			b.reject(row, wrong)
			continue
		}
		if m := b.conclude(row, results[0]); m != nil {
			fresh = append(fresh, m)
			if spans != nil {
				spans[0].Message(m)
				spans[0].End()
			}
			if results[0].Suppressed {
				suppressed = append(suppressed, m)
			}
		}
		results = results[1:]
		if spans != nil {
			spans = spans[1:]
		}
	}
	if len(suppressed) > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), b.api.StorageTimeout)
		defer cancel()
		b.api.suppress(ctx, suppressed)
		fresh = slices.DeleteFunc(fresh, func(m *message.Message) bool { return !m.Status.Waiting() })
	}
	b.dispatch(fresh, c)
	return nil
}

// traceRows begins the traces of rows, which link to that of the request; nil: none of
// them is traced.
func (b *batchRun) traceRows(rows []ledger.Row) []*tracing.Span {
	spans := b.api.Tracer.Rows(b.trace, len(rows))
	for i, span := range spans {
		rows[i].Trace = span.Trace()
	}
	return spans
}

// reserveMedia keeps the uploads that rows name, and finds rows that name others.
func (b *batchRun) reserveMedia(rows []draftRow) error {
	for i := range rows {
		row := &rows[i]
		if len(row.wrong()) > 0 || !slices.ContainsFunc(row.draft.Content.Media, message.IsMediaID) {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), b.api.StorageTimeout)
		unknown, err := b.uploads.reserve(ctx, row.draft)
		cancel()
		if err != nil {
			return err
		}
		row.draft.Problems = unknown
	}
	return nil
}

// marked returns the valid rows with the marks of shared content and groups.
func (b *batchRun) marked(rows []draftRow) []ledger.Row {
	requested, now := make([]ledger.Row, 0, len(rows)), b.api.now()
	for _, row := range rows {
		if len(row.wrong()) == 0 {
			requested = append(requested, ledger.Row{
				Content: row.draft.Content, From: row.draft.From, Index: row.index, Closed: len(row.draft.Late) > 0,
				Held: b.api.held(&row.draft.Content, now),
			})
		}
	}
	if b.content != nil {
		b.content.mark(requested)
	}
	if b.api.ShareCalls && !b.caller.Scope.Test {
		b.groups.mark(b.batch.ID, requested)
	}
	return requested
}

// dispatch enqueues the tasks of new messages in the background; it blocks while
// chunksDispatched chunks are in progress.
func (b *batchRun) dispatch(fresh []*message.Message, c chunk) {
	b.dispatching <- struct{}{}
	go func() {
		defer b.dispatched()
		defer c.release()
		ctx, cancel := context.WithTimeout(context.Background(), b.api.StorageTimeout)
		defer cancel()
		if err := b.api.Dispatcher.DispatchMany(ctx, fresh); err != nil {
			b.api.Log.Warn().Str("batch_id", string(b.batch.ID)).Err(err).Msg("tasks not enqueued; the sweeper will enqueue them")
		}
	}()
}

func (b *batchRun) dispatched() { <-b.dispatching }

// waitDispatched waits until the tasks of all chunks are enqueued.
func (b *batchRun) waitDispatched() {
	for range chunksDispatched {
		b.dispatching <- struct{}{}
	}
}

// conclude lists the outcome of a row and returns its message if it is new.
func (b *batchRun) conclude(row draftRow, r ledger.RowResult) *message.Message {
	switch {
	case r.Err != nil:
		b.reject(row, rowProblem(row, r.Err))
		return nil
	case r.Duplicate:
		b.report(rowResult{Index: row.index, Status: rowDuplicate, ID: some(string(r.Message.ID))}, row)
		return nil
	default:
		b.report(rowResult{Index: row.index, Status: rowAccepted, ID: some(string(r.Message.ID))}, row)
		return r.Message
	}
}

// rowProblem maps the ledger's error for a row to a problem.
func rowProblem(row draftRow, err error) []message.FieldError {
	switch {
	case errors.Is(err, ledger.ErrFull) && len(row.draft.Late) > 0:
		return row.draft.Late
	case errors.Is(err, ledger.ErrTenantFull):
		return []message.FieldError{{
			Code: message.ProblemCode(codeBackpressure), Message: "your messages have used their share of this lane or of the storage",
		}}
	case errors.Is(err, ledger.ErrFull):
		return []message.FieldError{{
			Code: message.ProblemCode(codeBackpressure), Message: "too many messages wait in this lane, or the storage is full",
		}}
	case errors.Is(err, ledger.ErrQuota):
		return []message.FieldError{{
			Code: message.ProblemCode(codeQuotaExceeded), Message: "the key has accepted as many messages as it may today",
		}}
	case errors.Is(err, ledger.ErrCanceled):
		return []message.FieldError{{Code: "batch_canceled", Message: "the batch was canceled"}}
	case errors.Is(err, ledger.ErrReused):
		return []message.FieldError{{
			Field: "clientReference", Code: message.ProblemCode(codeReferenceReused),
			Message: "the reference belongs to a message with other content",
		}}
	default:
		return []message.FieldError{{Code: message.ProblemCode(codeInternal), Message: "the row could not be accepted"}}
	}
}

func (b *batchRun) reject(row draftRow, wrong []message.FieldError) {
	b.report(rowResult{Index: row.index, Status: rowRejected, Error: &wrong, MoreProblems: row.draft.More}, row)
}

// report counts the outcome of a row and lists it within the bounds of the
// response.
func (b *batchRun) report(r rowResult, row draftRow) {
	repeats := b.numbers.Add(row.draft.Content.To)
	switch r.Status {
	case rowAccepted:
		b.response.Accepted++
		if repeats {
			b.response.RepeatedNumbers++
		}
	case rowDuplicate:
		b.response.Duplicates++
	default:
		b.response.Rejected++
	}
	switch {
	case b.all, r.Status == rowRejected && len(b.response.Results) < resultsMax:
		b.response.Results = append(b.response.Results, b.bounded(r))
	case r.Status == rowRejected:
		b.response.MoreProblems += len(*r.Error)
	case r.Status == rowDuplicate && len(b.duplicates) < resultsMax:
		b.duplicates = append(b.duplicates, r)
	}
	if !b.dryRun {
		b.count(r.Status, row)
	}
}

// bounded removes the problems of a row that exceed problemsOfBatch.
func (b *batchRun) bounded(r rowResult) rowResult {
	if r.Error == nil {
		return r
	}
	listed := (*r.Error)[:min(len(*r.Error), problemsOfBatch-b.problems)]
	left := len(*r.Error) - len(listed)
	b.problems += len(listed)
	b.response.MoreProblems += left
	r.Error, r.MoreProblems = &listed, r.MoreProblems+left
	return r
}

func (b *batchRun) count(status string, row draftRow) {
	if status == rowRejected {
		b.api.rejected(row.draft)
		return
	}
	b.api.Metrics.Message(string(row.draft.Content.Priority), status)
}

// record adds the counts of this request to the batch.
func (b *batchRun) record() {
	if b.batch.ID == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), b.api.StorageTimeout)
	defer cancel()
	tally := ledger.Tally{Accepted: b.response.Accepted, Duplicates: b.response.Duplicates, Rejected: b.response.Rejected}
	if err := b.api.Batches.CountBatch(ctx, b.caller.Scope, b.batch.ID, tally); err != nil {
		b.api.Log.Warn().Str("batch_id", string(b.batch.ID)).Err(err).Msg("counts of the batch not recorded")
	}
}

// finish responds to a batch whose rows were all read.
func (b *batchRun) finish(c echo.Context) {
	b.record()
	if b.dryRun {
		b.answer(c, http.StatusOK)
		return
	}
	c.Response().Header().Set(echo.HeaderLocation, "/v1/batches/"+string(b.batch.ID))
	if b.known {
		c.Response().Header().Set("Idempotent-Replayed", "true")
		b.answer(c, http.StatusOK)
		return
	}
	b.answer(c, http.StatusAccepted)
}

func (b *batchRun) answer(c echo.Context, status int) {
	response := b.response
	response.Results = b.listed()
	streamJSON(c, status, echo.MIMEApplicationJSON, response)
}

// listed returns the rows of the response, ordered by index.
func (b *batchRun) listed() []rowResult {
	room := max(0, resultsMax-len(b.response.Results))
	rows := slices.Concat([]rowResult{}, b.response.Results, b.duplicates[:min(room, len(b.duplicates))])
	slices.SortFunc(rows, func(x, y rowResult) int { return cmp.Compare(x.Index, y.Index) })
	return rows
}

// interrupted is the problem of a batch that a storage failure ended, with the
// counts so far.
func (b *batchRun) interrupted(err error) error {
	b.record()
	p := *asProblem(err)
	if cut, ok := errors.AsType[*cutError](err); ok {
		p = *b.cut(cut)
	}
	p.ID, p.Accepted, p.Duplicates, p.Rejected = b.response.ID, &b.response.Accepted, &b.response.Duplicates, &b.response.Rejected
	return errors.Join(&p, err)
}

// chunkTimeout bounds the reading of one chunk of a stream and the writing of its
// response.
const chunkTimeout = 30 * time.Second

// extend moves the deadlines of a stream for its next chunk. An
// http.ResponseWriter without deadlines has none to move.
func extend(c echo.Context) {
	control := http.NewResponseController(c.Response())
	at := time.Now().Add(chunkTimeout)
	_ = control.SetReadDeadline(at)
	_ = control.SetWriteDeadline(at.Add(chunkTimeout))
}
