package rowstream

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
)

// cellState is where the reading of a row of CSV has come to.
type cellState int

const (
	cellBegins cellState = iota // or spaces before it
	cellBare                    // in a cell without quotes, where a quote opens nothing
	cellQuoted                  // in a cell in quotes
	cellClosed                  // behind a quote in one: its end, or the first of two
	cellSpaced                  // behind that and spaces
	cellReturn                  // behind those and a CR, which only a LF may follow
	cellTorn                    // behind a quote that neither ends a cell nor is doubled
	rowEnds
)

// record is a row of CSV (RFC 4180) while it is read, byte by byte. It differs
// from package encoding/csv in what spreadsheets and people write: spaces around
// a cell in quotes are no error.
type record struct {
	separator byte
	at        cellState
	loose     bool   // a quote stood in a cell without quotes
	dropped   bool   // the cells are not kept: the row is too long
	text      []byte // of all cells, without their quotes
	ends      []int  // of the cells in text
}

// reset makes it ready for the next row.
func (r *record) reset() {
	*r = record{separator: r.separator, text: r.text[:0], ends: r.ends[:0]}
}

// drop keeps nothing more of the cells; the end of the row is still found.
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
	default: // nothing follows the others
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
	case c == '\n' && r.loose: // to some programs the row is over, to others it goes on
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

// begin is where the cell being read begins in text.
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

// cellsOf reads a line that is a row of its own.
func cellsOf(line []byte, separator byte) []string {
	r := record{separator: separator}
	for _, c := range slices.Concat(bytes.TrimRight(line, "\r\n"), []byte{'\n'}) {
		r.pass(c)
	}
	return r.cells()
}
