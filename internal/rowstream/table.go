package rowstream

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"mmsdispatch/internal/message"
)

// Table are rows in CSV.
type Table struct {
	in      *lineLimit
	csv     *csv.Reader
	columns []string
}

// NewTable makes a reader of CSV.
func NewTable(body io.Reader) *Table {
	in := newLineLimit(body)
	reader := csv.NewReader(in)
	reader.FieldsPerRecord, reader.ReuseRecord = -1, true
	return &Table{in: in, csv: reader}
}

// Begin reads the header row, and tells what is wrong with it.
func (t *Table) Begin() (wrong []message.FieldError) {
	t.in.beginRow()
	t.in.skipMark()
	header, err := t.csv.Read()
	if err != nil {
		return headerProblem(err)
	}
	t.columns = slices.Clone(header)
	for i, name := range t.columns {
		switch {
		case !message.Column(name):
			wrong = append(wrong, message.FieldError{
				Field: shownColumn(name), Code: message.ProblemUnknownField, Message: "there is no such column",
			})
		case slices.Contains(t.columns[:i], name):
			wrong = append(wrong, message.FieldError{Field: name, Code: message.ProblemDuplicateField, Message: "written more than once"})
		}
	}
	return wrong
}

// shownColumn cuts a name that a caller made up, and makes it a JSON string.
func shownColumn(name string) string {
	const longest = 100
	if !utf8.ValidString(name) || len(name) > longest {
		return "header"
	}
	return name
}

func headerProblem(err error) []message.FieldError {
	if errors.Is(err, io.EOF) {
		return []message.FieldError{{Field: "header", Code: message.ProblemRequired, Message: "a header row is required"}}
	}
	return []message.FieldError{{Field: "header", Code: message.ProblemInvalid, Message: "the header row cannot be read"}}
}

// Next reads a row. io.EOF says that there is none any more, an *EndlessError that
// none can be found any more.
func (t *Table) Next() (message.Fields, error) {
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
		return message.Fields{}, t.in.endless()
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
