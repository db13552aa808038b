// Package rowstream reads messages that come one after the other, in NDJSON or CSV.
package rowstream

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"mmsdispatch/internal/message"
)

const (
	// LengthMax is the limit of a row of a stream, in bytes without the end of its
	// last line.
	LengthMax = 64 << 10
	// lengthWithEnd is the buffer into which each row fits that is not too long.
	lengthWithEnd = LengthMax + len("\r\n")
	// quotedMax is how far the end of a cell in quotes is looked for, in bytes of
	// the row: a quote that is open for longer was hardly meant to be closed.
	quotedMax = 16 << 20
)

// Lines are rows in NDJSON, with or without a byte order mark before them. Empty
// lines are no rows.
type Lines struct {
	in     *bufio.Reader
	opened bool
}

// NewLines makes a reader of NDJSON.
func NewLines(body io.Reader) *Lines { return &Lines{in: bufio.NewReaderSize(body, lengthWithEnd)} }

// Begin has nothing to read: lines have no header.
func (*Lines) Begin() []message.FieldError { return nil }

// Next reads a row. io.EOF says that there is none any more.
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

// next reads a line, the first one without its mark.
func (l *Lines) next() (line []byte, long bool, err error) {
	if !l.opened {
		l.in, l.opened = open(l.in), true
	}
	return readLine(l.in)
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
	return line, long || len(line)-lineEnd(line) > LengthMax, err
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
