package httpapi

import (
	"context"
	"errors"
	"io"
	"time"

	"mmsdispatch/internal/message"
)

// The bounds of a chunk of rows.
const (
	// chunkRows is how many rows are accepted in one round trip.
	chunkRows = 1000
	// chunkBytes is how much of the body makes a chunk.
	chunkBytes = 2 << 20
)

// The memory of a stream, in bytes.
const (
	// streamCost is what a stream takes besides its chunks: the buffer of a row, and
	// what it answers.
	streamCost = 192 << 10
	// numberCost is what the number of a row takes, which is known until the end.
	numberCost = 24
	// rowCost is what a row takes besides its texts.
	rowCost = 2 << 10
	// textCost is how often the texts of a row are in memory: as read, as checked,
	// and on their way to Redis.
	textCost = 3
	// chunkStep is by how much the memory of a chunk grows.
	chunkStep = 512 << 10
)

// chunk is a part of a batch that is accepted in one round trip.
type chunk struct {
	rows   []draftRow
	memory grant // of a stream's chunk; a batch in JSON holds that of its body
}

// release gives the memory of a chunk back, once nothing of it is needed.
func (c *chunk) release() { c.memory.release() }

// meter counts the bytes that are read.
type meter struct {
	from io.Reader
	read int64
}

// Read implements io.Reader.
func (m *meter) Read(p []byte) (int, error) {
	n, err := m.from.Read(p)
	m.read += int64(n)
	return n, err //nolint:wrapcheck // io.EOF has to stay what it is
}

// rowStream reads the chunks of a stream.
type rowStream struct {
	api      *api
	tenant   string
	kept     *grant // what the stream holds between its chunks
	body     *meter
	rows     rowReader
	defaults message.Fields
	index    int64 // of the next row
}

// next reads and checks rows up to the bounds of a chunk; there are none at the
// end. A chunk for which the budget has no more room ends early: waiting for room
// with rows in hand could keep others waiting for the same.
func (s *rowStream) next(ctx context.Context) (next chunk, err error) {
	next = chunk{rows: make([]draftRow, 0, chunkRows), memory: s.api.work.grant(s.tenant)}
	defer func() {
		if len(next.rows) == 0 {
			next.release()
		}
	}()
	if err := s.hold(ctx, &next.memory); err != nil {
		return next, err
	}
	begun, now := s.body.read, s.api.now()
	for len(next.rows) < chunkRows && s.body.read-begun < chunkBytes {
		cost := rowCost*int64(len(next.rows)) + textCost*(s.body.read-begun)
		if cost > next.memory.held && !next.memory.tryGrow(chunkStep) {
			break
		}
		fields, err := s.rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil { // of the body
			return next, &cutError{row: s.index, cause: err}
		}
		next.rows = append(next.rows, s.check(fields, now))
	}
	return next, nil
}

// hold waits for the memory with which a chunk begins, and for that of the numbers
// of the rows so far.
func (s *rowStream) hold(ctx context.Context, memory *grant) error {
	if more := numberCost*s.index + streamCost - s.kept.held; more > 0 {
		if err := s.kept.grow(ctx, max(more, streamCost)); err != nil {
			return err
		}
	}
	return memory.grow(ctx, chunkStep)
}

// check checks the next row.
func (s *rowStream) check(fields message.Fields, now time.Time) draftRow {
	row := newDraftRow(s.index, s.api.Rules.CheckRow(fields, s.defaults, now))
	if s.index >= rowsMax {
		row.draft.Problems, row.draft.More = []message.FieldError{{Code: message.ProblemTooMany, Message: "at most 1,000,000 rows"}}, 0
	}
	s.index++
	return row
}
