package rowstream

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
)

// cellState is the state of the parser in a CSV row.
type cellState int

const (
	cellBegins cellState = iota // or spaces before it
	cellBare                    // in an unquoted cell, where a quote is literal
	cellQuoted                  // in a quoted cell
	cellClosed                  // after a quote in one: its end, or the first of two
	cellSpaced                  // after that and spaces
	cellReturn                  // after those and a CR, which only a LF may follow
	cellTorn                    // after a quote that neither ends a cell nor is doubled
	rowEnds
)

// record parses a CSV row (RFC 4180) byte by byte. Unlike encoding/csv it accepts
// spaces around a quoted cell, which spreadsheets and people write.
type record struct {
	separator byte
	at        cellState
	loose     bool   // an unquoted cell contained a quote
	dropped   bool   // the cells are discarded: the row is too long
	text      []byte // of all cells, without their quotes
	ends      []int  // of the cells in text
}

// reset prepares for the next row.
func (r *record) reset() {
	*r = record{separator: r.separator, text: r.text[:0], ends: r.ends[:0]}
}

// drop discards the cells; the end of the row is still found.
func (r *record) drop() { r.dropped, r.text, r.ends = true, r.text[:0], r.ends[:0] }

func (r *record) pass(c byte) {
	switch r.at {
	case cellBegins, cellBare:
		r.passBare(c)
	case cellQuoted:
		r.passQuoted(c)
	case cellClosed, cellSpaced:
		r.passClosed(c)
	case cellReturn:
		r.at = cellTorn
		if c == '\n' {
			r.end(rowEnds)
		}
	default: // no byte follows the other states
	}
}

func (r *record) passBare(c byte) {
	switch {
	case c == r.separator:
		r.end(cellBegins)
	case c == '\n':
		r.end(rowEnds)
	case c == '"' && r.at == cellBegins:
		r.at = cellQuoted
		r.text = r.text[:r.begin()] // without the spaces before
	default:
		if c != ' ' && c != '\t' {
			r.at = cellBare
			r.loose = r.loose || c == '"'
		}
		r.keep(c)
	}
}

func (r *record) passQuoted(c byte) {
	switch {
	case c == '"':
		r.at = cellClosed
	case c == '\n' && r.loose: // for some programs the row ends here, for others it continues
		r.at = cellTorn
	case c == '\n' && bytes.HasSuffix(r.text[r.begin():], []byte{'\r'}):
		r.text[len(r.text)-1] = c // CRLF in a cell is a line end
	default:
		r.keep(c)
	}
}

func (r *record) passClosed(c byte) {
	switch {
	case c == '"' && r.at == cellClosed:
		r.at = cellQuoted
		r.keep(c)
	case c == r.separator:
		r.end(cellBegins)
	case c == '\n':
		r.end(rowEnds)
	case c == '\r':
		r.at = cellReturn
	case c == ' ' || c == '\t':
		r.at = cellSpaced
	default:
		r.at = cellTorn
	}
}

func (r *record) keep(c byte) {
	if !r.dropped {
		r.text = append(r.text, c)
	}
}

// end ends a cell.
func (r *record) end(at cellState) {
	r.at = at
	if !r.dropped {
		r.ends = append(r.ends, len(r.text))
	}
}

// begin is the offset of the current cell in text.
func (r *record) begin() int {
	if len(r.ends) == 0 {
		return 0
	}
	return r.ends[len(r.ends)-1]
}

// isPadding reports whether a character is none of the cell that it stands at the
// edge of: spaces, the mark that begins each of several files that were joined, and
// the one that DOS ends a file with.
func isPadding(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' || r == '\x1a' }

// cells are the cells of a row that was read, without the spaces around them.
func (r *record) cells() []string {
	cells, text, begin := make([]string, len(r.ends)), string(r.text), 0
	for i, end := range r.ends {
		cells[i], begin = strings.TrimFunc(text[begin:end], isPadding), end
	}
	return cells
}

// isEmpty reports whether no cell of the row has content.
func (r *record) isEmpty() bool {
	return !r.loose && !r.dropped && len(bytes.TrimFunc(r.text, isPadding)) == 0
}

// cellsOf parses a line as a complete row.
func cellsOf(line []byte, separator byte) []string {
	r := record{separator: separator}
	for _, c := range slices.Concat(bytes.TrimRight(line, "\r\n"), []byte{'\n'}) {
		r.pass(c)
	}
	return r.cells()
}
