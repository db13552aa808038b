package ledger

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"time"

	"mmsdispatch/internal/message"
)

// Change decides on a copy of the message what becomes of it. It is called
// again with a newer copy when somebody else was faster. now is Redis' time.
type Change func(m *message.Message, now time.Time) error

// Lease is what a worker knows of its own begins. Redis knowing less is the
// sign of a rollback.
type Lease struct {
	Worker string
	Begins int64 // the highest count of its begins that was acknowledged
	Epoch  int64 // the highest count of all begins that was seen
}

// Begun is what the ledger answers to a begin.
type Begun struct {
	Message *message.Message
	After   Snapshot  // what was written
	Now     time.Time // Redis' time when it was written
	Begins  int64
	Epoch   int64
}

// Update changes a message by compare-and-set. A change that leaves it as it
// is writes nothing. Errors of the change come back as they are.
func (l *Ledger) Update(ctx context.Context, id message.ID, change Change) (*message.Message, error) {
	seen, err := l.Read(ctx, id)
	if err != nil {
		return nil, err
	}
	return l.UpdateFrom(ctx, seen, change)
}

// UpdateFrom is Update for a message that was read before: when nobody has
// changed it since, it need not be read again.
func (l *Ledger) UpdateFrom(ctx context.Context, seen Snapshot, change Change) (*message.Message, error) {
	begun, err := l.apply(ctx, seen, change, Lease{})
	return begun.Message, err
}

// Begin is UpdateFrom for the change that begins a call. It returns
// ErrCanceled when the message's batch was canceled, ErrHeld when its recipient
// may have opted out and the snapshot is not Cleared, and ErrRollback.
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
		step, err := seen.step(change, now, operation)
		if err != nil {
			return Begun{Message: step.message, Now: now}, err
		}
		if unchanged(seen.record, step.value) {
			return Begun{Message: step.message, Now: now}, nil
		}
		step.lease = lease
		reply, err := ask(ctx, l.swaps, step)
		if err != nil {
			return Begun{}, err
		}
		begun, err := reply.begun(step)
		if !errors.Is(err, errConflict) {
			return begun, err
		}
		newer, err := snapshot(id, []byte(reply.record))
		if err != nil {
			return Begun{}, err
		}
		newer.cleared = seen.cleared
		seen, now = newer, reply.now
	}
	return Begun{}, unavailable("update message", errContended)
}

// step decides on a copy of the message what is to be written. The copy is there
// also when the change refuses it.
func (s Snapshot) step(change Change, now time.Time, operation string) (swap, error) {
	m := s.Message.Clone()
	if err := change(m, now); err != nil {
		return swap{message: m}, err
	}
	return swap{
		read: s.head(), version: s.version, operation: operation, value: encode(head{version: s.version + 1, operation: operation}, m),
		message: m, before: s.Message.Status, updated: s.Message.UpdatedAt, cleared: s.cleared,
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

// batchStays tells what a step means for the time a batch is kept: it runs once
// nothing of the batch is open.
func batchStays(before, after message.Status) string {
	switch {
	case after.Expires():
		return "settled"
	case before.Expires():
		return "open"
	default:
		return ""
	}
}

// ttl is how long the record is kept from now on; zero: until it is settled.
func (l *Ledger) ttl(m *message.Message) time.Duration {
	if m.Status.Expires() {
		return l.opts.RecordTTL
	}
	return 0
}

// offList tells put.lua to take a message off a list; an empty text, to leave
// the list as it is.
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
