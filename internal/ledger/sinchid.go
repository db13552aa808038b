package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// sinchIDKept is for how long a receipt may come that has Sinch's id alone. No
// API of Sinch goes on trying to deliver for more than three days.
const sinchIDKept = 7 * 24 * time.Hour

// sinchIDDelivered is for how long it may come again once the message is delivered.
const sinchIDDelivered = 10 * time.Minute

func (l *Ledger) sinchIDKey(api, id string) string { return l.key("sinch:" + api + ":" + id) }

// indexSinchIDs writes down which calls Sinch has just named. It is a second
// way to a message, for receipts without our reference: what is lost of it is
// no error. The entry of a delivered message is kept for receipts that come twice.
func (l *Ledger) indexSinchIDs(ctx context.Context, pipe redis.Pipeliner, some []swap) {
	written := make(map[string]bool)
	for _, s := range some {
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
		case s.named && !written[key]: // a call for many messages has one id
			written[key] = true
			pipe.Set(ctx, key, a.Ref(s.message.ID), sinchIDKept)
		}
	}
}

// namedCall is the call whose id the message shows, or nil.
func namedCall(m *message.Message) *message.Attempt {
	for i := range m.Calls {
		if a := &m.Calls[i]; a.SinchID != "" && a.SinchID == m.SinchID {
			return a
		}
	}
	return nil
}

// CallOf finds the call that an API of Sinch knows by its own id: the reference
// of an attempt, or of a call for several messages. It returns ErrNotFound for
// an id that is not known.
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
