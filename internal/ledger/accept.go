package ledger

import (
	"context"
	"fmt"
	"time"

	"mmsdispatch/internal/message"
)

// Request is a message to accept.
type Request struct {
	Scope   message.Scope
	Content message.Content
	From    string
	BatchID string
	Now     time.Time
	Closed  bool // nothing new is taken; what is known is found all the same
}

// Accepted is a message the ledger holds.
type Accepted struct {
	Message   *message.Message
	Duplicate bool // it was there before, with the same content
}

// Accept writes a message down once per reference. With a known reference it
// returns the first message when the content is the same and ErrReused when it
// is not. On ErrUnavailable the message may have been accepted.
func (l *Ledger) Accept(ctx context.Context, r Request) (Accepted, error) {
	const secrets = 3 // a secret changes only when Redis was emptied
	for range secrets {
		key, err := l.secret.get(ctx)
		if err != nil {
			return Accepted{}, err
		}
		m := message.New(newID(key, r), r.Scope, r.Content, r.From, r.Now)
		m.BatchID = r.BatchID
		verdict, detail, err := l.write(ctx, m, string(key), l.limit(r))
		if err != nil {
			return Accepted{}, err
		}
		switch verdict {
		case "ok":
			return Accepted{Message: m}, nil
		case "full":
			return Accepted{}, ErrFull
		case "known":
			return known(r, detail)
		default:
			l.secret.learn(detail)
		}
	}
	return Accepted{}, fmt.Errorf("accept message: %w: secret keeps changing", ErrUnavailable)
}

// limit is how many messages may wait in a lane, as the script wants it.
func (l *Ledger) limit(r Request) int {
	if r.Closed {
		return -1
	}
	return l.opts.LaneLimit
}

func newID(secret []byte, r Request) message.ID {
	identity := message.RandomIdentity()
	if ref := r.Content.ClientReference; ref != "" {
		identity = message.ReferenceIdentity(secret, r.Scope, ref)
	}
	return message.NewID(identity, r.Now)
}

// write runs the script; verdict is ok, known, full or secret.
func (l *Ledger) write(ctx context.Context, m *message.Message, secret string, limit int) (verdict, detail string, err error) {
	operation := newOperation()
	value, err := encode(head{version: 1, operation: operation}, m)
	if err != nil {
		return "", "", err
	}
	keys := []string{l.recordKey(m.ID), l.key("waiting"), l.key("counts"), l.recentKey(m.Scope), l.key("secret")}
	first := l.opts.Checks.Accepted
	if m.Status == message.StatusScheduled {
		first += m.NextAt.Sub(m.CreatedAt)
	}
	reply, err := l.accept.Run(ctx, l.rdb, keys, value, operation, string(m.ID), first.Milliseconds(), counter(m),
		lane(m), limit, recentKept, m.CreatedAt.UnixMilli(), secret).StringSlice()
	if err != nil {
		return "", "", unavailable("accept message", err)
	}
	return reply[0], reply[1], nil
}

// known compares the content with that of the message that has the reference.
func known(r Request, record string) (Accepted, error) {
	_, m, err := decode([]byte(record))
	if err != nil {
		return Accepted{}, err
	}
	if m.Scope != r.Scope || m.Content.ClientReference != r.Content.ClientReference || !m.Content.Equal(r.Content) {
		return Accepted{}, ErrReused
	}
	return Accepted{Message: m, Duplicate: true}, nil
}
