package ledger

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"time"

	"mmsdispatch/internal/message"
)

// Change changes a copy of the message, or returns an error to refuse. It is called
// again with a newer copy after a conflict with another writer. now is Redis' time.
type Change func(m *message.Message, now time.Time) error

// Lease holds a worker's own counts of begins. Lower counts in Redis reveal a
// rollback.
type Lease struct {
	Worker string
	Begins int64 // the highest count of its begins that Redis acknowledged
	Epoch  int64 // the highest count of all begins that Redis returned
}

// Begun is the result of a begin.
type Begun struct {
	Message *message.Message
	After   Snapshot  // the message as it was written
	Now     time.Time // Redis' time when it was written
	Begins  int64
	Epoch   int64
}

// Update changes a message by compare-and-set. Without a change nothing is
// written. Errors of the change are returned as they are.
func (l *Ledger) Update(ctx context.Context, id message.ID, change Change) (*message.Message, error) {
	seen, err := l.Read(ctx, id)
	if err != nil {
		return nil, err
	}
	return l.UpdateFrom(ctx, seen, change)
}

// UpdateFrom is Update for a message that was read before. It is read again only
// when it was changed since.
func (l *Ledger) UpdateFrom(ctx context.Context, seen Snapshot, change Change) (*message.Message, error) {
	begun, err := l.apply(ctx, seen, change, Lease{})
	before, after := seen.Message.Status, begun.Message
	if err == nil && l.opts.Canceled != nil && before != message.StatusCanceled && after.Status == message.StatusCanceled {
		l.opts.Canceled(ctx, after)
	}
	return begun.Message, err
}

// Begin is UpdateFrom for the change that begins an attempt. It returns
// ErrCanceled when the message's batch was canceled, ErrSuppressed when its
// recipient may have opted out and the snapshot is not Cleared, and ErrRollback.
func (l *Ledger) Begin(ctx context.Context, seen Snapshot, change Change, lease Lease) (Begun, error) {
	return l.apply(ctx, seen, change, lease)
}

// updateRounds bounds the compare-and-set loop: more than that many writers at
// once on one message is a fault somewhere.
const updateRounds = 64

func (l *Ledger) apply(ctx context.Context, seen Snapshot, change Change, lease Lease) (Begun, error) {
	id, now := seen.Message.ID, seen.Now()
	operation := newOperation()
	for range updateRounds {
		step, err := l.step(seen, change, now, operation)
		if err != nil {
			return Begun{Message: step.message, Now: now}, err
		}
		if unchanged(seen.record, step.value) {
			return Begun{Message: step.message, Now: now}, nil
		}
		step.lease = lease
		reply, err := do(ctx, l.swaps, step)
		if err != nil {
			return Begun{}, err
		}
		begun, err := reply.begun(step)
		if !errors.Is(err, errConflict) {
			return begun, err
		}
		newer, err := l.snapshot(id, []byte(reply.record))
		if err != nil {
			return Begun{}, err
		}
		newer.cleared = seen.cleared
		seen, now = newer, reply.now
	}
	return Begun{}, unavailable("update message", errContended)
}

// step applies a change to a copy of the message and encodes it. The copy is
// returned also when the change refuses.
func (l *Ledger) step(s Snapshot, change Change, now time.Time, operation string) (swap, error) {
	m := s.Message.Clone()
	if err := change(m, now); err != nil {
		return swap{message: m}, err
	}
	kept := s.sealed
	if kept.content == nil || !m.RedactedAt.Equal(s.Message.RedactedAt) || m.Content.To != s.Message.Content.To ||
		formOf(m) != formOf(s.Message) {
		kept = l.codec.seal(m)
	}
	return swap{
		read: s.head(), version: s.version, operation: operation, sealed: kept,
		value:   encode(head{version: s.version + 1, operation: operation}, m, kept),
		message: m, before: s.Message.Status, final: s.Message.FinalAt, updated: s.Message.UpdatedAt, cleared: s.cleared,
		named: m.SinchID != s.Message.SinchID, called: m.Attempts != s.Message.Attempts,
	}, nil
}

// unchanged compares two records without their heads.
func unchanged(a, b []byte) bool {
	return bytes.Equal(body(a), body(b))
}

func body(record []byte) []byte {
	_, rest, _ := bytes.Cut(record, []byte(":"))
	_, rest, _ = bytes.Cut(rest, []byte(":"))
	return rest
}

// batchStay is the argument of put.lua for the expiry of a batch, which starts when
// no message of the batch is open: "closed" when the step can be the last one,
// "open" when it opens a message again, else empty. In a batch of test messages those
// of unknown outcome are not open.
func batchStay(scope message.Scope, before, after message.Status) string {
	switch {
	case scope.Expires(after) && scope.Test:
		return "closed test"
	case scope.Expires(after):
		return "closed"
	case scope.Expires(before):
		return "open"
	default:
		return ""
	}
}

// ttl is the time after which the record expires; zero: it does not.
func (l *Ledger) ttl(m *message.Message) time.Duration {
	if m.Scope.Expires(m.Status) {
		return max(l.opts.RecordTTL-redactedAfter(m), time.Millisecond)
	}
	return 0
}

// redactedAfter is the time from the last change of a message to the end of its
// content, which prolongs nothing.
func redactedAfter(m *message.Message) time.Duration {
	if m.RedactedAt.IsZero() {
		return 0
	}
	return max(m.RedactedAt.Sub(m.UpdatedAt), 0)
}

// atContent is the argument of put.lua that sets when the content of a message is
// dropped: ContentTTL after it has become final.
func (l *Ledger) atContent(s swap) string {
	m := s.message
	due := l.opts.ContentTTL > 0 && m.Status.Final() && m.RedactedAt.IsZero()
	switch {
	case due && m.FinalAt.Equal(s.final):
		return ""
	case due:
		return strconv.FormatInt(l.opts.ContentTTL.Milliseconds(), 10)
	case l.opts.ContentTTL > 0 && s.before.Final():
		return offList
	default:
		return ""
	}
}

// offList is the argument of put.lua that removes a message from a list; an empty
// one does not change the list.
const offList = "off"

// places are the arguments of put.lua that place a message on the lists of the
// sweeper.
type places struct{ waiting, calls, unknown string }

// places sets when the sweeper checks the message of a step.
func (l *Ledger) places(s swap) places {
	m, after := s.message, places{}
	if list := after.of(s.before); list != nil {
		*list = offList
	}
	in := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	switch m.Status {
	case message.StatusQueued, message.StatusScheduled:
		after.waiting = strconv.FormatInt(dueSince(m).UnixMilli(), 10)
	case message.StatusSending:
		after.calls = in(l.opts.Checks.Calling)
	case message.StatusUnknown:
		after.unknown = in(0)
		if s.before == message.StatusUnknown && !s.called {
			after.unknown = "" // the sweeper sets the next check
		}
	default:
	}
	return after
}

// of is the place on the list of a status, or nil.
func (p *places) of(s message.Status) *string {
	switch s {
	case message.StatusQueued, message.StatusScheduled:
		return &p.waiting
	case message.StatusSending:
		return &p.calls
	case message.StatusUnknown:
		return &p.unknown
	default:
		return nil
	}
}
