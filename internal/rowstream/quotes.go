package rowstream

// cellState is where the reading of a row of CSV has come to.
type cellState int

const (
	cellBegins cellState = iota
	cellBare             // in a cell without quotes, where a quote opens nothing
	cellQuoted           // in a cell in quotes
	cellClosed           // behind a quote in one: its end, or the first of two
	cellReturn           // behind that and a CR, which only a LF may follow
	cellTorn             // behind a quote that neither ends a cell nor is doubled
	rowEnds
)

// quotes follow the quotes of a row without its text, to tell where it ends.
// They find what package csv finds.
type quotes struct {
	at    cellState
	loose bool // a quote stood in a cell without quotes
}

func (q *quotes) pass(c byte) {
	switch q.at {
	case cellBegins, cellBare:
		q.passBare(c)
	case cellQuoted:
		switch {
		case c == '"':
			q.at = cellClosed
		case c == '\n' && q.loose: // to package csv the row is over, to others it goes on
			q.at = cellTorn
		}
	case cellClosed:
		q.passClosed(c)
	case cellReturn:
		q.at = cellTorn
		if c == '\n' {
			q.at = rowEnds
		}
	default: // nothing comes after the others
	}
}

func (q *quotes) passBare(c byte) {
	switch {
	case c == ',':
		q.at = cellBegins
	case c == '\n':
		q.at = rowEnds
	case c == '"' && q.at == cellBegins:
		q.at = cellQuoted
	default:
		q.at = cellBare
		q.loose = q.loose || c == '"'
	}
}

func (q *quotes) passClosed(c byte) {
	switch c {
	case '"':
		q.at = cellQuoted
	case ',':
		q.at = cellBegins
	case '\n':
		q.at = rowEnds
	case '\r':
		q.at = cellReturn
	default:
		q.at = cellTorn
	}
}
