package ledger

import (
	"context"
	"errors"
	"time"

	"mmsdispatch/internal/message"
)

// ErrCanceled says that the batch was canceled: it takes no more rows.
var ErrCanceled = errors.New("batch is canceled")

// Batch is a set of messages that were handed over together.
type Batch struct {
	ID        message.BatchID
	Scope     message.Scope
	Reference string
	Digest    string // of the content of a JSON batch; empty for a stream
	Canceled  bool
	Total     int64 // rows taken so far
	Counts    map[message.Status]int64
	CreatedAt time.Time
	UpdatedAt time.Time // of the last change of one of its messages
	BegunAt   time.Time // of its first call; zero: none yet
}

// BatchRequest is a batch to open.
type BatchRequest struct {
	Scope     message.Scope
	Reference string
	Digest    string // of the content, normalised; empty for a stream
	Now       time.Time
}

// Row is one message of a batch to accept.
type Row struct {
	Content message.Content
	From    string
	Index   int64 // 0-based; its identity when it has no reference and the batch has one
	Closed  bool  // nothing new is taken; what is known is found all the same
}

// RowResult is what became of a Row. Err is nil, ErrReused, ErrFull (also for
// a closed row that is not known) or ErrCanceled.
type RowResult struct {
	Accepted

	Err error
}

// OpenBatch makes a batch or finds the one that the scope knows under the
// reference; known tells which. ErrReused says that it has other content.
func (l *Ledger) OpenBatch(ctx context.Context, r BatchRequest) (b Batch, known bool, err error) {
	return Batch{}, false, ErrUnavailable
}

// AcceptRows writes messages of a batch down, many in one step. There is one
// result for each row, in order. On ErrUnavailable any of them may have been
// accepted.
func (l *Ledger) AcceptRows(ctx context.Context, b Batch, rows []Row) ([]RowResult, error) {
	return nil, ErrUnavailable
}

// Room tells how many messages each lane of a scope can still take. A negative
// number says that there is no limit.
func (l *Ledger) Room(ctx context.Context, scope message.Scope) (map[message.Priority]int64, error) {
	return nil, ErrUnavailable
}

// GetBatch reads a batch. It returns ErrNotFound for one of another scope.
func (l *Ledger) GetBatch(ctx context.Context, scope message.Scope, id message.BatchID) (Batch, error) {
	return Batch{}, ErrUnavailable
}

// BatchPosition is a place in the list of a scope's batches, newest first; the
// zero value is the beginning.
type BatchPosition struct {
	CreatedAt int64 // Unix milliseconds
	ID        message.BatchID
}

// Batches lists up to limit batches of a scope behind a position.
func (l *Ledger) Batches(ctx context.Context, scope message.Scope, after BatchPosition, limit int) ([]Batch, error) {
	return nil, ErrUnavailable
}

// BatchMessages calls yield with the messages of a batch and their places in
// it, the last accepted first, beginning below place before (negative: at the
// end), until it returns false. Messages that are forgotten are left out.
func (l *Ledger) BatchMessages(
	ctx context.Context, scope message.Scope, id message.BatchID, before int64, yield func(place int64, m *message.Message) bool,
) error {
	return ErrUnavailable
}

// CancelBatch marks a batch as canceled: none of its messages begins a call
// from then on, and it takes no more rows. Its waiting messages are canceled
// one by one afterwards.
func (l *Ledger) CancelBatch(ctx context.Context, scope message.Scope, id message.BatchID) (Batch, error) {
	return Batch{}, ErrUnavailable
}
