package ledger

import (
	"context"
	"errors"
	"slices"
	"time"

	"mmsdispatch/internal/batcher"
	"mmsdispatch/internal/message"
)

const (
	// readMax is the largest number of records that one command reads.
	readMax = 250
	// readBytes is the most that Redis answers to one command: it sends nothing
	// to other clients meanwhile. A single record may exceed it.
	readBytes = 1 << 20
)

// Snapshot is a message as it was read from Redis.
type Snapshot struct {
	Message *message.Message

	version int64
	record  []byte
	sealed  sealed    // in the record
	now     time.Time // Redis' time of the reading
	read    time.Time // local time of it
	cleared bool
}

// Cleared is the snapshot after the opt-outs of the recipient were checked: a
// call may begin.
func (s Snapshot) Cleared() Snapshot {
	s.cleared = true
	return s
}

// Now is an estimate of Redis' time, never later than it is: its time at the
// reading, and the time since by the monotonic clock of this process.
func (s Snapshot) Now() time.Time {
	return s.now.Add(time.Since(s.read)).Truncate(time.Millisecond)
}

// head is the head of the record as it was read. Its operation names one write, so
// that no other record has it: neither another version nor that of a later message
// with the same reference.
func (s Snapshot) head() []byte {
	return s.record[:len(s.record)-len(body(s.record))]
}

// Read reads a message. It returns ErrNotFound for one that does not exist or
// has expired.
func (l *Ledger) Read(ctx context.Context, id message.ID) (Snapshot, error) {
	return do(ctx, l.reads, id)
}

// Get is Read for a message that is shown and not changed. With
// encryption.ErrKeyMissing the message is there without what is private in its
// content.
func (l *Ledger) Get(ctx context.Context, id message.ID) (*message.Message, error) {
	s, err := l.Read(ctx, id)
	return s.Message, err
}

// ReadEach reads messages and returns a result for each, in their order, with
// ErrNotFound for those that do not exist and an error for those whose record is
// unreadable.
func (l *Ledger) ReadEach(ctx context.Context, ids []message.ID) ([]batcher.Result[Snapshot], error) {
	results := make([]SnapshotResult, 0, len(ids))
	for chunk := range slices.Chunk(ids, readMax) {
		for len(chunk) > 0 {
			read, err := l.readChunk(ctx, chunk)
			if err != nil {
				return nil, err
			}
			results, chunk = append(results, read...), chunk[len(read):]
		}
	}
	return results, nil
}

// ReadMany is ReadEach without the messages that could not be read.
func (l *Ledger) ReadMany(ctx context.Context, ids []message.ID) ([]Snapshot, error) {
	results, err := l.ReadEach(ctx, ids)
	if err != nil {
		return nil, err
	}
	found := make([]Snapshot, 0, len(results))
	for _, r := range results {
		if r.Err == nil {
			found = append(found, r.Value)
		}
	}
	return found, nil
}

// readBatch is ReadEach for the batcher.
func (l *Ledger) readBatch(ctx context.Context, ids []message.ID) []SnapshotResult {
	results, err := l.ReadEach(ctx, ids)
	if err != nil {
		return batcher.Failed[Snapshot](len(ids), err)
	}
	return results
}

// readChunk reads the first of the messages, as many as fit into one answer.
func (l *Ledger) readChunk(ctx context.Context, ids []message.ID) ([]SnapshotResult, error) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = l.recordKey(id)
	}
	records, now, err := l.readValues(ctx, keys)
	if err != nil {
		return nil, err
	}
	read := time.Now()
	results := make([]SnapshotResult, len(records))
	for i, value := range records {
		record, found := value.(string)
		if !found {
			results[i].Err = ErrNotFound
			continue
		}
		s, err := l.snapshot(ids[i], []byte(record))
		s.now, s.read = now, read
		results[i] = SnapshotResult{Value: s, Err: err}
	}
	return results, nil
}

// readValues reads the values of the first of the keys, at least one and as many as
// fit into one answer, with Redis' time. A value is a string, or nil for a key that
// does not exist.
func (l *Ledger) readValues(ctx context.Context, keys []string) (values []any, now time.Time, err error) {
	reply, err := l.read.Run(ctx, l.rdb, keys, []any{readMostBytes: readBytes}...).Slice()
	if err != nil {
		return nil, time.Time{}, unavailable("read messages", err)
	}
	at, timed := reply[0].(int64)
	values = reply[1:]
	if !timed || len(values) == 0 || len(values) > len(keys) {
		return nil, time.Time{}, unavailable("read messages", errReply)
	}
	return values, instant(at), nil
}

// errReply is returned for a reply that the script cannot have given.
var errReply = errors.New("unexpected reply of a script")

// snapshot decodes the record of a message. It returns ErrNotFound when the
// record belongs to an older message with the same reference, and with
// encryption.ErrKeyMissing the message without what is private in its content.
func (l *Ledger) snapshot(id message.ID, raw []byte) (Snapshot, error) {
	r, err := l.codec.decode(raw)
	switch {
	case r.message == nil:
		return Snapshot{}, err
	case r.message.ID != id:
		return Snapshot{}, ErrNotFound
	default:
		return Snapshot{Message: r.message, version: r.version, record: raw, sealed: r.sealed}, err
	}
}

// ByReference reads the message that a scope has under ref. It returns ErrNotFound
// when there is none.
func (l *Ledger) ByReference(ctx context.Context, scope message.Scope, ref string) (m *message.Message, err error) {
	err = l.secret.use(ctx, func(secret *message.Secret) error {
		m, err = l.byReference(ctx, secret, scope, ref)
		return err
	})
	return m, err
}

// byReference reads the secret with the record: a message that is known under
// another secret would not be found.
func (l *Ledger) byReference(ctx context.Context, secret *message.Secret, scope message.Scope, ref string) (*message.Message, error) {
	id := message.NewID(secret.Reference(scope, ref), time.Time{})
	keys := []string{l.key("secret"), l.recordKey(id)}
	values, _, err := l.readValues(ctx, keys)
	if err != nil {
		return nil, err
	}
	if len(values) < len(keys) {
		return nil, unavailable("read messages", errReply)
	}
	current, _ := values[0].(string)
	if err := compare(secret, current); err != nil {
		return nil, err
	}
	record, found := values[1].(string)
	if !found {
		return nil, ErrNotFound
	}
	r, err := l.codec.decode([]byte(record))
	m := r.message
	if err != nil {
		return nil, err
	}
	if m.Scope != scope || m.Content.ClientReference != ref {
		return nil, ErrNotFound
	}
	return m, nil
}
