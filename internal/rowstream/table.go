package rowstream

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"mmsdispatch/internal/message"
)

// Table are the rows of CSV, as spreadsheets and exporters write it: in UTF-8 or,
// with a byte order mark, UTF-16; separated by commas, semicolons or tabs; lines
// ended by LF, CRLF or CR. Spaces around cells and empty rows and columns are
// ignored.
type Table struct {
	body    io.Reader
	rows    records
	columns []string // empty: a column without a name
}

// NewTable returns a reader of CSV.
func NewTable(body io.Reader) *Table { return &Table{body: body} }

// headerField is the field name in problems of the header.
const headerField = "header"

// Begin reads the header row and returns its problems. They contain no value of a
// row, even if the file has no header and begins with a row.
func (t *Table) Begin() []message.FieldError {
	in := open(bufio.NewReaderSize(t.body, lengthWithEnd))
	blank, line := skipBlank(in)
	if wrong := notTable(line); wrong != "" {
		return headerProblem(message.ProblemInvalid, wrong)
	}
	if bytes.HasSuffix(line, []byte("\r")) {
		in = bufio.NewReaderSize(oldLines{in}, lengthWithEnd)
	}
	t.rows.in, t.rows.line, t.rows.separator = in, blank+1, separatorOf(line)
	if hint, ok := separatorHint(line); ok {
		t.rows.separator = hint
		if err := t.rows.readLine(); err != nil {
			return headerProblem(message.ProblemInvalid, "the header row cannot be read")
		}
		t.rows.rest = nil
	}
	switch err := t.rows.next(); {
	case err == io.EOF: //nolint:errorlint // next gives it as it is
		return headerProblem(message.ProblemRequired, "a header row is required")
	case err != nil || t.rows.tooLong() || t.rows.loose:
		return headerProblem(message.ProblemInvalid, "the header row cannot be read")
	}
	t.columns = t.rows.cells()
	return columnProblems(t.columns)
}

func headerProblem(code message.ProblemCode, text string) []message.FieldError {
	return []message.FieldError{{Field: headerField, Code: code, Message: text}}
}

// separators are the recognised separators, the most common first.
func separators() []byte { return []byte{',', ';', '\t'} }

// separatorOf returns the separator by which a header has the most known columns,
// or else the most columns.
func separatorOf(header []byte) byte {
	const known = 1 << 20 // one known column outweighs all unknown ones
	best, most := separators()[0], 0
	for _, separator := range separators() {
		points := 0
		for _, name := range cellsOf(header, separator) {
			points++
			if message.Column(name) {
				points += known
			}
		}
		if points > most {
			best, most = separator, points
		}
	}
	return best
}

// separatorHint reads Excel's line "sep=;".
func separatorHint(line []byte) (byte, bool) {
	hint, ok := strings.CutPrefix(strings.ToLower(strings.Trim(string(line), "\" \r\n")), "sep=")
	if !ok || len(hint) != 1 || !slices.Contains(separators(), hint[0]) {
		return 0, false
	}
	return hint[0], true
}

// columnProblems returns the problems of the column names.
func columnProblems(columns []string) (wrong []message.FieldError) {
	if !slices.ContainsFunc(columns, message.Column) {
		return headerProblem(message.ProblemUnknownField, "the first row names no column: a header row is required; "+thereAre())
	}
	for i, name := range columns {
		switch {
		case name == "":
		case !message.Column(name):
			wrong = append(wrong, message.FieldError{
				Field: shownColumn(i, name), Code: message.ProblemUnknownField, Message: "there is no such column; " + thereAre(),
			})
		case slices.Contains(columns[:i], name):
			wrong = append(wrong, message.FieldError{Field: name, Code: message.ProblemDuplicateField, Message: "written more than once"})
		}
	}
	return wrong
}

func thereAre() string { return "there are " + strings.Join(message.Columns(), ", ") }

// columnName matches a possible column name. Any other text may be a value of a
// row in a file without a header.
var columnName = regexp.MustCompile(`^[A-Za-z][A-Za-z_.-]{0,39}$`)

// shownColumn identifies an unknown column by its name, or by its position.
func shownColumn(i int, name string) string {
	if columnName.MatchString(name) {
		return name
	}
	return columnPlace(i)
}

func columnPlace(i int) string { return fmt.Sprintf("column %d", i+1) }

// Next reads a row. io.EOF marks the end, an *EndlessError a row whose end cannot
// be found.
func (t *Table) Next() (message.Fields, error) {
	if err := t.rows.next(); err != nil {
		return message.Fields{}, err
	}
	switch {
	case t.rows.tooLong():
		return message.UnreadableRow(message.ProblemTooLong, "a row may have 64 KiB at most"), nil
	case t.rows.loose:
		return message.UnreadableRow(message.ProblemInvalid, "the row is not CSV: a cell that contains a quote must be quoted"), nil
	case !utf8.Valid(t.rows.text):
		return message.UnreadableRow(message.ProblemInvalid, "the row is not UTF-8: save the file as CSV UTF-8"), nil
	}
	var fields message.Fields
	for i, cell := range t.rows.cells() {
		switch {
		case i < len(t.columns) && t.columns[i] != "":
			fields.Set(t.columns[i], cell)
		case cell != "":
			return message.UnreadableRow(message.ProblemInvalid, columnPlace(i)+
				" has no name in the header, and a cell in this row; a cell that contains a separator must be quoted"), nil
		}
	}
	return fields, nil
}
