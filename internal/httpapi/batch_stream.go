package httpapi

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

const (
	// rowMax is the limit of a row of a stream, in bytes without the end of its
	// last line.
	rowMax = 64 << 10
	// rowWithEnd is the buffer into which each row fits that is not too long.
	rowWithEnd = rowMax + len("\r\n")
	// quotedMax is how far the end of a cell in quotes is looked for, in bytes of
	// the row: by then the quote was hardly meant to be closed.
	quotedMax = 16 << 20
	// rowsMax is how many rows a stream may have.
	rowsMax = 1_000_000
)

// rowReader reads the rows of a stream. begin reads what stands before them.
type rowReader interface {
	begin() (wrong []message.FieldError, err error)
	next() (message.Fields, error)
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
	heading, err := rows.begin()
	if err != nil {
		return errCut(err)
	}
	wrong = slices.Concat(wrong, a.Rules.CheckDefaults(defaults, ""), heading)
	if len(wrong) > 0 {
		return invalid(wrong)
	}
	first, err := a.readChunk(rows, defaults, 0)
	if err == nil && len(first) == 0 {
		err = errNoRows()
	}
	if len(first) == 0 {
		return err
	}
	b := newBatchRun(a, who)
	b.dryRun = dryRun
	defer b.settle()
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
				err = errors.Join(b.accept(chunk), err)
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
		fields, err := rows.next()
		if errors.Is(err, io.EOF) {
			return chunk, nil
		}
		if err != nil {
			return chunk, errCut(err)
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

// errCut is what a caller is told whose stream ended before its time, if it is
// still there. What was accepted stays accepted.
func errCut(err error) error {
	if own, ok := errors.AsType[*problem](err); ok {
		return own
	}
	return newProblem(codeInvalidJSON, "The body could not be read to its end; the rows before were taken. Send it again.")
}

// lines are rows in NDJSON. Empty lines are no rows.
type lines struct{ in *bufio.Reader }

func newLines(body io.Reader) *lines { return &lines{in: bufio.NewReaderSize(body, rowWithEnd)} }

func (*lines) begin() ([]message.FieldError, error) { return nil, nil }

func (l *lines) next() (message.Fields, error) {
	for {
		line, long, err := readLine(l.in)
		switch {
		case err != nil:
			return message.Fields{}, err
		case long:
			return message.UnreadableRow(message.ProblemTooLong, "a row may have 64 KiB at most"), nil
		case len(bytes.TrimSpace(line)) > 0:
			return message.ReadRow(line), nil
		}
	}
}

// readLine reads a line that fits into the buffer, and passes over the rest of
// one that does not. The line is valid until the next read.
func readLine(in *bufio.Reader) (line []byte, long bool, err error) {
	line, err = in.ReadSlice('\n')
	for errors.Is(err, bufio.ErrBufferFull) {
		long = true
		_, err = in.ReadSlice('\n')
	}
	if errors.Is(err, io.EOF) && (long || len(line) > 0) {
		err = nil
	}
	return line, long || len(line)-lineEnd(line) > rowMax, err
}

// lineEnd is how many bytes end a line.
func lineEnd(line []byte) int {
	switch {
	case bytes.HasSuffix(line, []byte("\r\n")):
		return len("\r\n")
	case bytes.HasSuffix(line, []byte("\n")):
		return len("\n")
	default:
		return 0
	}
}

// table are rows in CSV.
type table struct {
	in      *lineLimit
	csv     *csv.Reader
	columns []string
}

func newTable(body io.Reader) *table {
	in := &lineLimit{in: bufio.NewReaderSize(body, rowWithEnd)}
	reader := csv.NewReader(in)
	reader.FieldsPerRecord, reader.ReuseRecord = -1, true
	return &table{in: in, csv: reader}
}

// begin reads the header row.
func (t *table) begin() ([]message.FieldError, error) {
	t.in.beginRow()
	t.in.skipMark()
	header, err := t.csv.Read()
	if err != nil {
		return headerProblem(err), nil
	}
	t.columns = slices.Clone(header)
	var wrong []message.FieldError
	for i, name := range t.columns {
		switch {
		case !message.Column(name):
			wrong = append(wrong, message.FieldError{
				Field: shownName(name), Code: message.ProblemUnknownField, Message: "there is no such column",
			})
		case slices.Contains(t.columns[:i], name):
			wrong = append(wrong, message.FieldError{Field: name, Code: message.ProblemDuplicateField, Message: "written more than once"})
		}
	}
	return wrong, nil
}

func headerProblem(err error) []message.FieldError {
	if errors.Is(err, io.EOF) {
		return []message.FieldError{{Field: "header", Code: message.ProblemRequired, Message: "a header row is required"}}
	}
	return []message.FieldError{{Field: "header", Code: message.ProblemInvalid, Message: "the header row cannot be read"}}
}

func (t *table) next() (message.Fields, error) {
	t.in.beginRow()
	record, err := t.csv.Read()
	if t.in.over { // package csv tells of a bad quote before it instead
		if err := t.in.skip(); err != nil {
			return message.Fields{}, err
		}
		return message.UnreadableRow(message.ProblemTooLong, "a row may have 64 KiB at most"), nil
	}
	switch {
	case errors.Is(err, csv.ErrBareQuote): // a quote in a cell without quotes: the row ends with its line
		if err := t.in.skip(); err != nil {
			return message.Fields{}, err
		}
		return message.UnreadableRow(message.ProblemInvalid, "the row is no CSV: a cell that holds a quote must stand in quotes"), nil
	case errors.Is(err, csv.ErrQuote):
		return message.Fields{}, errRowEnd()
	case err != nil:
		return message.Fields{}, err //nolint:wrapcheck // io.EOF, or what the caller is told in other words
	case len(record) != len(t.columns):
		text := fmt.Sprintf("the row has %d cells, the header %d", len(record), len(t.columns))
		return message.UnreadableRow(message.ProblemInvalid, text), nil
	}
	var fields message.Fields
	for i, cell := range record {
		if !utf8.ValidString(cell) {
			return message.UnreadableRow(message.ProblemInvalid, "the row is not UTF-8"), nil
		}
		fields.Set(t.columns[i], strings.Clone(cell))
	}
	return fields, nil
}

// errRowEnd ends a table in which nobody can tell where a row ends, as after a
// quote that is not closed. What follows may be the inside of a cell, so it is
// not read: a text must never become a message.
func errRowEnd() error {
	return newProblem(codeValidation, "A row has a quote that is not closed, or not doubled, so that nobody can tell where it ends. "+
		"The rows before it were taken, nothing after it was read. Mend it and send the whole again.")
}

// errRowTooLong ends the reading of a row.
var errRowTooLong = errors.New("row is too long")

// lineLimit hands a stream on line by line, so that a row can be bounded: what
// it gives goes up to the end of a line and no further.
type lineLimit struct {
	in     *bufio.Reader
	rest   []byte // of the line being given
	ending int    // bytes that end this line
	size   int    // bytes of the row so far
	over   bool   // the row has more than it may
	quotes quotes // of the row so far
}

// skipMark passes over the byte order mark that spreadsheets write before UTF-8.
func (l *lineLimit) skipMark() {
	const mark = "\ufeff"
	if start, err := l.in.Peek(len(mark)); err == nil && string(start) == mark {
		_, _ = l.in.Discard(len(mark)) // it is in the buffer
	}
}

func (l *lineLimit) beginRow() { l.size, l.over, l.quotes = 0, false, quotes{} }

// Read implements io.Reader. Empty lines between rows are left out.
func (l *lineLimit) Read(p []byte) (int, error) {
	for len(l.rest) == 0 {
		if err := l.readLine(); err != nil {
			return 0, err
		}
		if l.size == 0 && len(l.rest) == l.ending {
			l.rest = nil
		}
	}
	if l.size+len(l.rest)-l.ending > rowMax {
		l.over = true
		return 0, errRowTooLong
	}
	n := copy(p, l.rest)
	l.pass(n)
	return n, nil
}

// readLine reads the next line, or a piece of one that is too long.
func (l *lineLimit) readLine() error {
	line, err := l.in.ReadSlice('\n')
	if len(line) == 0 && err != nil {
		return err //nolint:wrapcheck // io.EOF, or what the caller is told in other words
	}
	l.rest, l.ending = line, lineEnd(line)
	return nil
}

// pass goes over the next n bytes of the line.
func (l *lineLimit) pass(n int) {
	for _, c := range l.rest[:n] {
		l.quotes.pass(c)
	}
	l.rest, l.size = l.rest[n:], l.size+n
}

// skip passes over the rest of a row that is rejected, line by line. It is an
// error when nobody can tell where the row ends.
func (l *lineLimit) skip() error {
	for l.quotes.at != rowEnds {
		open := l.quotes.at == cellQuoted
		if l.quotes.at == cellTorn || open && l.size > quotedMax {
			return errRowEnd()
		}
		if len(l.rest) == 0 {
			err := l.readLine()
			switch {
			case errors.Is(err, io.EOF) && open:
				return errRowEnd()
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return err
			}
		}
		l.pass(len(l.rest))
	}
	return nil
}
