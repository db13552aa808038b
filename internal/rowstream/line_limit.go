package rowstream

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// EndlessError ends a table in which nobody can tell where a row ends, as after a
// quote that is not closed. What follows may be the inside of a cell, so it is
// not read: a text must never become a message.
type EndlessError struct {
	Line int64 // from 1, in which the row begins
}

// Error implements error.
func (e *EndlessError) Error() string {
	return fmt.Sprintf("the row that begins in line %d has a quote that is not closed, or not doubled", e.Line)
}

// errRowTooLong ends the reading of a row.
var errRowTooLong = errors.New("row is too long")

// lineLimit hands a stream on line by line, so that a row can be bounded: what
// it gives goes up to the end of a line and no further.
type lineLimit struct {
	in     *bufio.Reader
	rest   []byte // of the line being given
	ending int    // bytes that end this line
	line   int64  // its number, from 1
	first  int64  // the line in which the row begins
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

func newLineLimit(in io.Reader) *lineLimit {
	return &lineLimit{in: bufio.NewReaderSize(in, lengthWithEnd), line: 1}
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
	if l.size == 0 {
		l.first = l.line
	}
	if l.size+len(l.rest)-l.ending > LengthMax {
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
	if l.ending > 0 {
		l.line++
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

func (l *lineLimit) endless() error { return &EndlessError{Line: l.first} }

// skip passes over the rest of a row that is rejected, line by line. It is an
// error when nobody can tell where the row ends.
func (l *lineLimit) skip() error {
	for l.quotes.at != rowEnds {
		open := l.quotes.at == cellQuoted
		if l.quotes.at == cellTorn || open && l.size > quotedMax {
			return l.endless()
		}
		if len(l.rest) == 0 {
			err := l.readLine()
			switch {
			case errors.Is(err, io.EOF) && open:
				return l.endless()
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
