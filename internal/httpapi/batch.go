package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/rowstream"
	"mmsdispatch/internal/strictjson"
)

// BatchReader is the part of the record of batches that the API reads.
type BatchReader interface {
	FindBatch(ctx context.Context, scope message.Scope, ref string) (ledger.Batch, error)
	GetBatch(ctx context.Context, scope message.Scope, id message.BatchID) (ledger.Batch, error)
	Batches(
		ctx context.Context, scope message.Scope, after ledger.BatchPosition, limit int,
	) (found []ledger.Batch, complete bool, err error)
	BatchMessages(
		ctx context.Context, scope message.Scope, id message.BatchID, r ledger.BatchRange, yield func(place int64, m *message.Message) bool,
	) error
}

// Batches is the part of the record of batches that the API uses.
type Batches interface {
	BatchReader
	OpenBatch(ctx context.Context, r ledger.BatchRequest) (b ledger.Batch, known bool, err error)
	AcceptRows(ctx context.Context, b ledger.Batch, rows []ledger.Row) ([]ledger.RowResult, error)
	Fits(ctx context.Context, scope message.Scope, d ledger.Demand) error
	CountBatch(ctx context.Context, scope message.Scope, id message.BatchID, t ledger.Tally) error
	CountNew(ctx context.Context, scope message.Scope, reference string, rows []ledger.Row) (int64, error)
	Reserve(ctx context.Context, q ledger.Quota, n int64) error
	CancelBatch(ctx context.Context, scope message.Scope, id message.BatchID) (ledger.Batch, error)
}

const (
	// batchBodyMax is the limit of a batch in JSON, in bytes.
	batchBodyMax = 16 << 20
	// batchItemsMax is the limit of messages in a JSON batch.
	batchItemsMax = 10_000
	// messagesField is the member of a JSON batch that lists its messages.
	messagesField = "messages"
	// charsetUTF8 is the charset of a body that names none.
	charsetUTF8 = "utf-8"
)

// createBatch accepts a batch as a JSON document or as a stream of NDJSON or CSV
// rows.
func (a *api) createBatch(c echo.Context, caller Caller) error {
	mediaType, charset, ok := writtenType(c.Request().Header)
	utf8 := charset == charsetUTF8
	switch {
	case ok && utf8 && mediaType == echo.MIMEApplicationJSON:
		return a.createListed(c, caller)
	case ok && utf8 && mediaType == "application/x-ndjson":
		return a.createStreamed(c, caller, func(body io.Reader) rowReader { return rowstream.NewLines(body) })
	case ok && mediaType == "text/csv" && slices.Contains(rowstream.Charsets(), charset):
		return a.createStreamed(c, caller, func(body io.Reader) rowReader { return rowstream.NewTable(rowstream.InUTF8(body, charset)) })
	default:
		return newProblem(codeMediaType,
			"The body must be application/json or application/x-ndjson in UTF-8, or text/csv with a charset of "+
				strings.Join(rowstream.Charsets(), ", ")+"; and not compressed.")
	}
}

// bodyType returns the media type of a body; ok is false when it is compressed or
// not UTF-8.
func bodyType(h http.Header) (string, bool) {
	mediaType, charset, ok := writtenType(h)
	return mediaType, ok && charset == charsetUTF8
}

// writtenType is the media type of a body that is not compressed, and its charset
// in lower case.
func writtenType(h http.Header) (mediaType, charset string, ok bool) {
	if len(h.Values(echo.HeaderContentEncoding)) > 0 || len(h.Values(echo.HeaderContentType)) != 1 {
		return "", "", false
	}
	written := h.Get(echo.HeaderContentType)
	if written == echo.MIMEApplicationJSON { // as nearly all are
		return written, charsetUTF8, true
	}
	mediaType, params, err := mime.ParseMediaType(written)
	charset, named := params["charset"]
	if !named {
		charset = charsetUTF8
	}
	return mediaType, strings.ToLower(charset), err == nil
}

// draftRow is a row after validation.
type draftRow struct {
	index int64
	draft message.Draft
}

// problemsOfItem bounds the problems listed for one row.
const problemsOfItem = 20

// newDraftRow keeps the first problemsOfItem problems of a row and counts the
// others.
func newDraftRow(index int64, draft message.Draft) draftRow {
	if more := len(draft.Problems) - problemsOfItem; more > 0 {
		draft.Problems, draft.More = slices.Clone(draft.Problems[:problemsOfItem]), draft.More+more
	}
	return draftRow{index: index, draft: draft}
}

// wrong returns the problems that reject a row even if it repeats an accepted
// one.
func (r draftRow) wrong() []message.FieldError { return r.draft.Problems }

// createListed accepts a JSON batch.
func (a *api) createListed(c echo.Context, caller Caller) error {
	body, over, err := a.readBodyUpTo(c, batchBodyMax)
	switch {
	case err != nil:
		return err
	case over:
		return tooLarge(batchBodyMax)
	}
	envelope, err := message.ParseBatch(body, c.Request().Header.Values(keyHeader), batchItemsMax)
	if err != nil {
		return err
	}
	reference, defaults, items := envelope.Reference, envelope.Defaults, envelope.Messages
	rules := a.Rules.For(caller.Scope.Tenant)
	query := readQuery(c.Request(), "dryRun")
	dryRun := query.truth("dryRun")
	wrong := slices.Concat(envelope.Problems, rules.CheckDefaults(defaults, "defaults."), query.problems,
		countProblems(len(items), envelope.Problems))
	if len(wrong) > 0 {
		return invalid(wrong)
	}
	if !defaults.Has("priority") {
		defaults.Set("priority", string(message.Bulk))
	}
	rows, digest, err := a.checkItems(c, rules, items, defaults, int64(len(body)))
	if err != nil {
		return err
	}
	b := newBatchRun(a, caller)
	b.all, b.dryRun = true, dryRun
	defer b.waitDispatched()
	if dryRun {
		return b.answerDryRun(c, rows)
	}
	if err := b.reserve(c, reference, rows); err != nil {
		return err
	}
	defer b.unreserve()
	request := ledger.BatchRequest{Scope: caller.Scope, Reference: reference, Digest: digest, Pace: envelope.Pace, Now: a.now()}
	if err := a.openListed(c, b, request, rows); err != nil {
		return err
	}
	for start := 0; start < len(rows); start += chunkRows {
		extend(c)
		if err := b.accept(chunk{rows: rows[start:min(len(rows), start+chunkRows)]}); err != nil {
			return b.interrupted(err)
		}
	}
	b.finish(c)
	return nil
}

// answerDryRun answers what would become of the rows.
func (b *batchRun) answerDryRun(c echo.Context, rows []draftRow) error {
	if err := b.reserveMedia(rows); err != nil {
		return err
	}
	b.validate(rows)
	b.answer(c, http.StatusOK)
	return nil
}

// countProblems checks the number of items, unless the list itself already has a
// problem.
func countProblems(items int, wrong []message.FieldError) []message.FieldError {
	switch {
	case items > batchItemsMax:
		return []message.FieldError{{Field: messagesField, Code: message.ProblemTooMany, Message: "at most 10,000 messages; stream more"}}
	case items == 0 && !slices.ContainsFunc(wrong, func(e message.FieldError) bool { return e.Field == messagesField }):
		return []message.FieldError{{Field: messagesField, Code: message.ProblemRequired, Message: "at least one message is required"}}
	default:
		return nil
	}
}

// checkItems validates all items and computes the digest that identifies a
// repeated batch: over the content of valid items and the raw text of invalid
// ones. Texts that come from templates count as part of the body, as if they had
// been written out.
func (a *api) checkItems(
	c echo.Context, rules *message.Rules, items []strictjson.Value, defaults message.Fields, body int64,
) (
	rows []draftRow, digest string, err error,
) {
	now, sum, memory := a.now(), sha256.New(), &callOf(c).working
	rows = make([]draftRow, len(items))
	for i, item := range items {
		rows[i] = newDraftRow(int64(i), rules.CheckRow(message.ReadFields(item), defaults, now))
		digestRow(sum, rows[i], item)
		rendered := int64(rows[i].draft.Rendered)
		if rendered == 0 {
			continue
		}
		if body += rendered; body > batchBodyMax {
			return nil, "", tooLargeRendered()
		}
		if !memory.tryGrow(renderedCost * rendered) {
			return nil, "", errBusy()
		}
	}
	return rows, hex.EncodeToString(sum.Sum(nil)), nil
}

// renderedCost counts the copies of a text that comes from a template in memory:
// as validated, and as sent to Redis.
const renderedCost = 2

func tooLargeRendered() *problem {
	return newProblem(codeBodyTooLarge,
		"The body and the texts of its templates, written out, are larger than 16 MiB together; stream the messages.")
}

func digestRow(sum hash.Hash, row draftRow, item strictjson.Value) {
	if len(row.wrong()) > 0 {
		_, _ = sum.Write(item.Raw())
		return
	}
	content, err := json.Marshal(row.draft.Content, json.Deterministic(true))
	if err != nil {
		content = item.Raw()
	}
	_, _ = sum.Write(content)
}

// openListed opens a JSON batch, or refuses it whole when its lanes are full.
func (a *api) openListed(c echo.Context, b *batchRun, request ledger.BatchRequest, rows []draftRow) error {
	ctx, cancel := a.bounded(c)
	defer cancel()
	full := a.Batches.Fits(ctx, b.caller.Scope, demand(rows))
	if errors.Is(full, ledger.ErrFull) {
		_, err := a.Batches.FindBatch(ctx, request.Scope, request.Reference)
		if errors.Is(err, ledger.ErrNotFound) {
			return full
		}
		full = err
	}
	if full != nil {
		return full
	}
	return b.open(ctx, c, request)
}

// demand is the room in the lanes that the valid rows need.
func demand(rows []draftRow) (d ledger.Demand) {
	for _, row := range rows {
		if len(row.wrong()) == 0 {
			d.Add(row.draft.Content)
		}
	}
	return d
}
