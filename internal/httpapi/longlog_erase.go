package httpapi

import (
	"context"
	"errors"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/messagelog"
)

// erased is the result of an erasure in Redis.
type erased struct {
	messages []message.ID
	inbound  []string
}

// eraseBoth erases in Redis, by inRedis, and then in the log; logged is the number of
// messages that only the log has. inRedis returns ErrNotErasable when it has erased
// nothing.
func (a *api) eraseBoth(
	ctx context.Context, e messagelog.Erasure, inRedis func() (erased, error),
) (done erased, logged int, err error) {
	if a.LongLog == nil {
		done, err = inRedis()
		return done, 0, err
	}
	pending, err := a.Erasures.Begin(ctx, e)
	if err != nil {
		return done, 0, err
	}
	done, err = inRedis()
	if errors.Is(err, message.ErrNotErasable) || errors.Is(err, ledger.ErrNotFound) {
		return done, 0, errors.Join(err, pending.Drop(ctx))
	}
	if err != nil {
		return done, 0, err // it may have taken effect: a worker looks
	}
	logged, err = pending.Finish(ctx, done.messages, done.inbound)
	if errors.Is(err, messagelog.ErrUnavailable) {
		a.Log.Warn().Err(err).Msg("erased in Redis; the long-term log follows")
		err = newProblem(codeUnavailable,
			"The long-term log does not answer. Everything else is erased, and the log follows as soon as it answers; "+
				"the request may be repeated.")
	}
	return done, logged, err
}

// onlyLogged reports whether Redis does not have a message: neither the scope's nor
// another's.
func (a *api) onlyLogged(ctx context.Context, id message.ID) (bool, error) {
	if a.LongLog == nil {
		return false, nil
	}
	current, err := a.Ledger.Current(ctx, []message.ID{id})
	return current[id] == nil, err
}
