package rowstream

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// EndlessError ends a table when the end of a row cannot be found, as after a
// quote that is not closed. The rest may be inside a cell, so it is not read:
// text must never become a message.
type EndlessError struct {
	Line int64 // from 1, in which the row begins
}

// Error implements error.
func (e *EndlessError) Error() string {
	return fmt.Sprintf("the row that begins in line %d has a quote that is not closed, or not doubled", e.Line)
}

// records reads a table row by row. Of a row longer than LengthMax only the end
// is searched for.
type records struct {
	record

	in     *bufio.Reader
	rest   []byte // of the line being read
	ending int    // length of its line ending
	line   int64  // its number, from 1
	first  int64  // the line in which the row begins
	size   int    // bytes of the row so far
	raw    []byte // the source text of the row, when wanted
	keeps  bool   // raw is wanted
}

// next reads a row that has content. io.EOF marks the end, an *EndlessError a row
// whose end cannot be found.
func (r *records) next() error {
	for {
		if err := r.readRow(); err != nil {
			return err
		}
		if !r.isEmpty() {
			return nil
		}
	}
}

// tooLong reports whether the row exceeds LengthMax.
func (r *records) tooLong() bool { return r.dropped }

func (r *records) readRow() error {
	r.reset()
	r.size, r.raw = 0, r.raw[:0]
	for r.at != rowEnds {
		if len(r.rest) == 0 {
			err := r.readLine()
			switch {
			case errors.Is(err, io.EOF) && r.size > 0:
				return r.endOfFile()
			case err != nil:
				return err
			}
		}
		if r.size == 0 {
			r.first = r.line
		}
		r.passLine()
		if r.at == cellTorn || r.at == cellQuoted && r.size > quotedMax {
			return r.endless()
		}
	}
	return nil
}

// endOfFile ends the last row.
func (r *records) endOfFile() error {
	if r.at == cellQuoted {
		return r.endless()
	}
	r.end(rowEnds)
	return nil
}

// passLine skips the rest of the line.
func (r *records) passLine() {
	length := len(r.rest)
	if r.size+length-r.ending > LengthMax {
		r.drop()
	}
	for _, c := range r.rest {
		r.pass(c)
	}
	if r.keeps {
		r.raw = append(r.raw, r.rest...)
	}
	r.rest, r.size = nil, r.size+length
}

// readLine reads the next line, or a part of one that is too long.
func (r *records) readLine() error {
	line, err := r.in.ReadSlice('\n')
	if len(line) == 0 && err != nil {
		return err //nolint:wrapcheck // io.EOF, or an error of the body that callers report in their own words
	}
	if r.ending > 0 {
		r.line++
	}
	r.rest, r.ending = line, lineEnd(line)
	return nil
}

func (r *records) endless() error { return &EndlessError{Line: r.first} }
