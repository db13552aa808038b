package httpapi

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/rowstream"
)

const (
	// chunksDispatched is of how many chunks tasks are made at a time: with a second
	// one Redis has work while the tasks of the next are put together.
	chunksDispatched = 2
	// resultsMax is how many rows the answer to a stream lists.
	resultsMax = 1000
	// problemsOfBatch is how many problems the answer to a batch lists.
	problemsOfBatch = 5000
)

// rowResult is what became of a row, as the caller sees it.
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

// batchAnswer is the answer to a batch.
type batchAnswer struct {
	ID              *string     `json:"id"`
	Accepted        int64       `json:"accepted"`
	Duplicates      int64       `json:"duplicates"`
	Rejected        int64       `json:"rejected"`
	RepeatedNumbers int64       `json:"repeatedNumbers"`
	Results         []rowResult `json:"results"`
	MoreProblems    int         `json:"moreProblems,omitzero"` // that the bounds of the batch keep off the list
}

// batchRun takes the rows of one batch over.
type batchRun struct {
	api    *api
	who    Caller
	quota  ledger.Quota // of the key
	batch  ledger.Batch
	known  bool // the batch was there before
	all    bool // every row is listed, not only those that were not accepted
	dryRun bool
	told   batchAnswer
	// duplicates are listed where rejected rows leave room: a stream that is sent
	// again begins with them.
	duplicates []rowResult
	alike      *likeness // nil: no matter what rows share
	uploads    *reservation
	groups     groups
	numbers    rowstream.Numbers // of all rows so far
	problems   int               // listed so far

	dispatching chan struct{} // holds a token for each chunk whose tasks are being made
}

func newBatchRun(a *api, who Caller) *batchRun {
	b := &batchRun{api: a, who: who, quota: who.Quota, dispatching: make(chan struct{}, chunksDispatched)}
	b.uploads = newReservation(a.Uploads, who.Scope)
	if a.FindShared && !who.Scope.Test {
		b.alike = newLikeness()
	}
	return b
}

// open makes the batch, or finds it.
func (b *batchRun) open(ctx context.Context, c echo.Context, r ledger.BatchRequest) (err error) {
	b.batch, b.known, err = b.api.Batches.OpenBatch(ctx, r)
	if err != nil {
		return err
	}
	callOf(c).batch = b.batch.ID
	b.told.ID = some(string(b.batch.ID))
	b.batch.Quota = b.quota
	return nil
}

// rehearse says of each row whether it would be accepted.
func (b *batchRun) rehearse(rows []draftRow) {
	for _, row := range rows {
		if wrong := slices.Concat(row.wrong(), row.draft.Late); len(wrong) > 0 {
			b.reject(row, wrong)
			continue
		}
		b.tell(rowResult{Index: row.index, Status: rowAccepted}, row)
	}
}

// accept writes the rows of a chunk down and has the tasks made of those that are
// new. Only a failure of the storage is an error.
func (b *batchRun) accept(c chunk) error {
	if err := b.reserveMedia(c.rows); err != nil {
		c.release()
		return err
	}
	if b.dryRun {
		defer c.release()
		b.rehearse(c.rows)
		return nil
	}
	results, err := b.write(b.marked(c.rows))
	if err != nil {
		c.release()
		return err
	}
	fresh := make([]*message.Message, 0, len(results))
	var held []*message.Message
	for _, row := range c.rows {
		if wrong := row.wrong(); len(wrong) > 0 {
			b.reject(row, wrong)
			continue
		}
		if m := b.take(row, results[0]); m != nil {
			fresh = append(fresh, m)
			if results[0].Suppressed {
				held = append(held, m)
			}
		}
		results = results[1:]
	}
	if len(held) > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), storageTimeout)
		defer cancel()
		b.api.suppress(ctx, held)
		fresh = slices.DeleteFunc(fresh, func(m *message.Message) bool { return !m.Status.Waiting() })
	}
	b.dispatch(fresh, c)
	return nil
}

// reserveMedia keeps the uploads that rows name, and finds rows that name others.
func (b *batchRun) reserveMedia(rows []draftRow) error {
	for i := range rows {
		row := &rows[i]
		if len(row.wrong()) > 0 || !slices.ContainsFunc(row.draft.Content.Media, message.IsMediaID) {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), storageTimeout)
		unknown, err := b.uploads.reserve(ctx, row.draft)
		cancel()
		if err != nil {
			return err
		}
		row.draft.Problems = unknown
	}
	return nil
}

// marked are the valid ones of the rows, with what they share.
func (b *batchRun) marked(rows []draftRow) []ledger.Row {
	asked := make([]ledger.Row, 0, len(rows))
	for _, row := range rows {
		if len(row.wrong()) == 0 {
			asked = append(asked, ledger.Row{
				Content: row.draft.Content, From: row.draft.From, Index: row.index, Closed: len(row.draft.Late) > 0,
			})
		}
	}
	if b.alike != nil {
		b.alike.mark(asked)
	}
	if b.api.ShareCalls && !b.who.Scope.Test {
		b.groups.mark(b.batch.ID, asked)
	}
	return asked
}

// dispatch makes the tasks of new messages while the next chunks are written
// down, and waits while those of too many are being made.
func (b *batchRun) dispatch(fresh []*message.Message, c chunk) {
	b.dispatching <- struct{}{}
	go func() {
		defer b.dispatched()
		defer c.release()
		ctx, cancel := context.WithTimeout(context.Background(), storageTimeout)
		defer cancel()
		if err := b.api.Dispatcher.DispatchMany(ctx, fresh); err != nil {
			b.api.Log.Warn().Str("batch_id", string(b.batch.ID)).Err(err).Msg("tasks not made; the sweeper will")
		}
	}()
}

func (b *batchRun) dispatched() { <-b.dispatching }

// settle waits until the tasks of all chunks are made.
func (b *batchRun) settle() {
	for range chunksDispatched {
		b.dispatching <- struct{}{}
	}
}

// take tells what became of a row, and returns the message if it is new.
func (b *batchRun) take(row draftRow, r ledger.RowResult) *message.Message {
	switch {
	case r.Err != nil:
		b.reject(row, rowProblem(row, r.Err))
		return nil
	case r.Duplicate:
		b.tell(rowResult{Index: row.index, Status: rowDuplicate, ID: some(string(r.Message.ID))}, row)
		return nil
	default:
		b.tell(rowResult{Index: row.index, Status: rowAccepted, ID: some(string(r.Message.ID))}, row)
		return r.Message
	}
}

// rowProblem says why the ledger did not take a row.
func rowProblem(row draftRow, err error) []message.FieldError {
	switch {
	case errors.Is(err, ledger.ErrFull) && len(row.draft.Late) > 0:
		return row.draft.Late
	case errors.Is(err, ledger.ErrTenantFull):
		return []message.FieldError{{
			Code: message.ProblemCode(codeBackpressure), Message: "your messages have their share of this lane or of the storage",
		}}
	case errors.Is(err, ledger.ErrFull):
		return []message.FieldError{{
			Code: message.ProblemCode(codeBackpressure), Message: "too many messages wait in this lane, or the storage is full",
		}}
	case errors.Is(err, ledger.ErrQuota):
		return []message.FieldError{{Code: message.ProblemCode(codeQuotaExceeded), Message: "the key has accepted as many messages as it may today"}}
	case errors.Is(err, ledger.ErrCanceled):
		return []message.FieldError{{Code: "batch_canceled", Message: "the batch was canceled"}}
	case errors.Is(err, ledger.ErrReused):
		return []message.FieldError{{
			Field: "clientReference", Code: message.ProblemCode(codeReferenceReused),
			Message: "the reference belongs to a message with other content",
		}}
	default:
		return []message.FieldError{{Code: message.ProblemCode(codeInternal), Message: "the row could not be taken"}}
	}
}

func (b *batchRun) reject(row draftRow, wrong []message.FieldError) {
	b.tell(rowResult{Index: row.index, Status: rowRejected, Error: &wrong, MoreProblems: row.draft.More}, row)
}

// tell counts a row and lists it where it is listed.
func (b *batchRun) tell(r rowResult, row draftRow) {
	repeats := b.numbers.Add(row.draft.Content.To)
	switch r.Status {
	case rowAccepted:
		b.told.Accepted++
		if repeats {
			b.told.RepeatedNumbers++
		}
	case rowDuplicate:
		b.told.Duplicates++
	default:
		b.told.Rejected++
	}
	switch {
	case b.all, r.Status == rowRejected && len(b.told.Results) < resultsMax:
		b.told.Results = append(b.told.Results, b.bounded(r))
	case r.Status == rowRejected:
		b.told.MoreProblems += len(*r.Error)
	case r.Status == rowDuplicate && len(b.duplicates) < resultsMax:
		b.duplicates = append(b.duplicates, r)
	}
	if !b.dryRun {
		b.count(r.Status, row)
	}
}

// bounded leaves out the problems of a row that the batch may not list any more.
func (b *batchRun) bounded(r rowResult) rowResult {
	if r.Error == nil {
		return r
	}
	listed := (*r.Error)[:min(len(*r.Error), problemsOfBatch-b.problems)]
	left := len(*r.Error) - len(listed)
	b.problems += len(listed)
	b.told.MoreProblems += left
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

// record has the batch know what this request came to.
func (b *batchRun) record() {
	if b.batch.ID == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), storageTimeout)
	defer cancel()
	if err := b.api.Batches.CountBatch(ctx, b.who.Scope, b.batch.ID, ledger.Tally{Accepted: b.told.Accepted, Duplicates: b.told.Duplicates, Rejected: b.told.Rejected}); err != nil {
		b.api.Log.Warn().Str("batch_id", string(b.batch.ID)).Err(err).Msg("counts of the batch not recorded")
	}
}

// finish answers a batch that was taken to its end.
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
	told := b.told
	told.Results = b.listed()
	streamJSON(c, status, echo.MIMEApplicationJSON, told)
}

// listed are the rows the answer tells of, in order.
func (b *batchRun) listed() []rowResult {
	room := max(0, resultsMax-len(b.told.Results))
	rows := slices.Concat([]rowResult{}, b.told.Results, b.duplicates[:min(room, len(b.duplicates))])
	slices.SortFunc(rows, func(x, y rowResult) int { return cmp.Compare(x.Index, y.Index) })
	return rows
}

// interrupted is the problem of a batch that ended before its time, with what
// was taken so far.
func (b *batchRun) interrupted(err error) error {
	b.record()
	p := *asProblem(err)
	if cut, ok := errors.AsType[*cutError](err); ok {
		p = *b.cut(cut)
	}
	p.ID, p.Accepted, p.Duplicates, p.Rejected = b.told.ID, &b.told.Accepted, &b.told.Duplicates, &b.told.Rejected
	return errors.Join(&p, err)
}

// chunkTimeout bounds the reading of one chunk of a stream, and its writing.
const chunkTimeout = 30 * time.Second

// extend gives a stream time for its next chunk. A writer that knows no
// deadlines has none that would have to be moved.
func extend(c echo.Context) {
	control := http.NewResponseController(c.Response())
	at := time.Now().Add(chunkTimeout)
	_ = control.SetReadDeadline(at)
	_ = control.SetWriteDeadline(at.Add(chunkTimeout))
}
