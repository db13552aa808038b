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
	// chunkRows is the number of rows accepted in one round trip.
	chunkRows = 1000
	// chunkBytes is the size of the body part that makes a chunk.
	chunkBytes = 2 << 20
)

// The memory of a stream, in bytes.
const (
	// streamCost is the memory of a stream besides its chunks: the row buffer and
	// the response.
	streamCost = 192 << 10
	// numberCost is the memory of one row's number, which is kept until the stream
	// ends.
	numberCost = 24
	// rowCost is the memory of a row besides its texts.
	rowCost = 2 << 10
	// textCost counts the copies of a row's texts in memory: as read, as validated,
	// and as sent to Redis.
	textCost = 3
	// chunkStep is the increment by which the memory of a chunk grows.
	chunkStep = 512 << 10
)

// chunk is a part of a batch that is accepted in one round trip.
type chunk struct {
	rows     []draftRow
	rendered int64 // bytes of texts that come from templates
	memory   grant // of a stream's chunk; a JSON batch uses the grant of its body
}

// release returns the memory of a chunk to the budget.
func (c *chunk) release() { c.memory.release() }

// meter counts the bytes read.
type meter struct {
	from io.Reader
	read int64
}

// Read implements io.Reader.
func (m *meter) Read(p []byte) (int, error) {
	n, err := m.from.Read(p)
	m.read += int64(n)
	return n, err //nolint:wrapcheck // callers compare with io.EOF
}

// rowStream reads the chunks of a stream.
type rowStream struct {
	api      *api
	rules    *message.Rules // of the tenant
	tenant   string
	kept     *grant // memory that the stream keeps between chunks
	body     *meter
	rows     rowReader
	defaults message.Fields
	index    int64 // of the next row
}

// next reads and validates rows up to the bounds of a chunk; it returns no rows
// at the end. A chunk ends early when the budget has no room for more: a stream
// that waits for memory while it uses some could deadlock with another.
func (s *rowStream) next(ctx context.Context) (next chunk, err error) {
	next = chunk{rows: make([]draftRow, 0, chunkRows), memory: s.api.work.grant(s.tenant)}
	defer func() {
		if len(next.rows) == 0 {
			next.release()
		}
	}()
	if err := s.reserve(ctx, &next.memory); err != nil {
		return next, err
	}
	begun, now := s.body.read, s.api.now()
	for len(next.rows) < chunkRows && s.body.read-begun+next.rendered < chunkBytes {
		cost := rowCost*int64(len(next.rows)) + textCost*(s.body.read-begun+next.rendered)
		if cost > next.memory.reserved && !next.memory.tryGrow(chunkStep) {
			break
		}
		fields, err := s.rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil { // of the body
			return next, &cutError{row: s.index, cause: err}
		}
		row := s.check(fields, now)
		next.rows, next.rendered = append(next.rows, row), next.rendered+int64(row.draft.Rendered)
	}
	return next, nil
}

// reserve waits for the memory with which a chunk begins and for that of the
// numbers of the rows so far.
func (s *rowStream) reserve(ctx context.Context, memory *grant) error {
	if more := numberCost*s.index + streamCost - s.kept.reserved; more > 0 {
		if err := s.kept.grow(ctx, max(more, streamCost)); err != nil {
			return err
		}
	}
	return memory.grow(ctx, chunkStep)
}

// check validates the next row.
func (s *rowStream) check(fields message.Fields, now time.Time) draftRow {
	row := newDraftRow(s.index, s.rules.CheckRow(fields, s.defaults, now))
	if s.index >= rowsMax {
		row.draft.Problems, row.draft.More = []message.FieldError{{Code: message.ProblemTooMany, Message: "at most 1,000,000 rows"}}, 0
	}
	s.index++
	return row
}
