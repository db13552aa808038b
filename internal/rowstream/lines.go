// Package rowstream reads a stream of messages in NDJSON or CSV.
package rowstream

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"mmsdispatch/internal/message"
)

const (
	// LengthMax is the limit of a row, in bytes without its line ending.
	LengthMax = 64 << 10
	// lengthWithEnd is the size of a buffer that fits every valid row.
	lengthWithEnd = LengthMax + len("\r\n")
	// quotedMax bounds the search for the end of a quoted cell, in bytes of the row:
	// a longer one probably lacks its closing quote.
	quotedMax = 16 << 20
)

// Lines are the rows of NDJSON, with or without a byte order mark. Empty lines
// are ignored.
type Lines struct {
	in     *bufio.Reader
	opened bool
}

// NewLines returns a reader of NDJSON.
func NewLines(body io.Reader) *Lines { return &Lines{in: bufio.NewReaderSize(body, lengthWithEnd)} }

// Begin reads nothing: NDJSON has no header.
func (*Lines) Begin() []message.FieldError { return nil }

// Next reads a row. io.EOF marks the end.
func (l *Lines) Next() (message.Fields, error) {
	for {
		line, long, err := l.next()
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

// next reads a line, the first one without its byte order mark.
func (l *Lines) next() (line []byte, long bool, err error) {
	if !l.opened {
		l.in, l.opened = open(l.in), true
	}
	return readLine(l.in)
}

// readLine reads a line that fits into the buffer, and skips the rest of a longer
// one. The line is valid until the next read.
func readLine(in *bufio.Reader) (line []byte, long bool, err error) {
	line, err = in.ReadSlice('\n')
	for errors.Is(err, bufio.ErrBufferFull) {
		long = true
		_, err = in.ReadSlice('\n')
	}
	if errors.Is(err, io.EOF) && (long || len(line) > 0) {
		err = nil
	}
	return line, long || len(line)-lineEnd(line) > LengthMax, err
}

// lineEnd is the length of the line ending.
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
