package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// sinchIDKept is the time within which a receipt with Sinch's id alone can be
// matched. No API of Sinch tries to deliver for more than three days.
const sinchIDKept = 7 * 24 * time.Hour

// sinchIDDelivered is that time once the message is delivered: a receipt can come
// again.
const sinchIDDelivered = 10 * time.Minute

func (l *Ledger) sinchIDKey(api, id string) string { return l.key("sinch:" + api + ":" + id) }

// indexSinchIDs records the attempt of each id that Sinch has just returned. The
// index is a second way to a message, for receipts without our reference, so that a
// failed write is no error. The entry of a delivered message is kept for receipts
// that come twice.
func (l *Ledger) indexSinchIDs(ctx context.Context, pipe redis.Pipeliner, swaps []swap) {
	written := make(map[string]bool)
	for _, s := range swaps {
		a := namedCall(s.message)
		if a == nil || s.message.Scope.Test { // a test message's receipts come within the process
			continue
		}
		key := l.sinchIDKey(a.API, a.SinchID)
		switch alone := a.Call == ""; {
		case alone && s.message.Status == message.StatusDelivered:
			if s.before != message.StatusDelivered {
				pipe.Set(ctx, key, a.Ref(s.message.ID), sinchIDDelivered)
			}
		case s.named && !written[key]: // a multi-recipient send has one id
			written[key] = true
			pipe.Set(ctx, key, a.Ref(s.message.ID), sinchIDKept)
		}
	}
}

// namedCall is the attempt whose id of Sinch is the message's, or nil.
func namedCall(m *message.Message) *message.Attempt {
	for i := range m.Calls {
		if a := &m.Calls[i]; a.SinchID != "" && a.SinchID == m.SinchID {
			return a
		}
	}
	return nil
}

// CallOf finds the reference of the attempt or of the multi-recipient send to which
// an API of Sinch has given an id. It returns ErrNotFound for an id that is not
// known.
func (l *Ledger) CallOf(ctx context.Context, api, sinchID string) (ref string, err error) {
	ref, err = l.rdb.Get(ctx, l.sinchIDKey(api, sinchID)).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return "", ErrNotFound
	case err != nil:
		return "", unavailable("find call", err)
	}
	return ref, nil
}
