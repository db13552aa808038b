package httpapi

import (
	"context"
	"errors"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/messagelog"
)

// erase erases a message, in the log when Redis no longer has it; then it returns nil.
// Where Redis has it the log follows with the writer's next round.
func (a *api) erase(ctx context.Context, scope message.Scope, id message.ID, force bool) (*message.Message, error) {
	m, err := a.Ledger.Erase(ctx, scope, id, force)
	if a.LongLog == nil || !errors.Is(err, ledger.ErrNotFound) {
		return m, err
	}
	current, failed := a.Ledger.Current(ctx, []message.ID{id})
	if failed != nil {
		return nil, failed
	}
	if current[id] != nil {
		return nil, err // it belongs to another scope
	}
	erased, failed := a.LongLog.Erase(ctx, scope, []message.ID{id})
	if failed == nil && erased == 0 {
		return nil, err
	}
	return nil, failed
}

// eraseAtOnce is the number of messages that one transaction erases.
const eraseAtOnce = 500

// eraseLogged erases those messages of a scope to a number that only the log has.
func (a *api) eraseLogged(ctx context.Context, scope message.Scope, number string) (erased int, err error) {
	if a.LongLog == nil {
		return 0, nil
	}
	q := messagelog.Query{To: number, Limit: eraseAtOnce}
	for {
		logged, err := a.LongLog.Messages(ctx, scope, q)
		if err != nil || len(logged) == 0 {
			return erased, err
		}
		current, err := a.Ledger.Current(ctx, ids(logged))
		if err != nil {
			return erased, err
		}
		var gone []message.ID
		for _, m := range logged {
			if current[m.ID] == nil {
				gone = append(gone, m.ID)
			}
		}
		n, err := a.LongLog.Erase(ctx, scope, gone)
		erased += n
		if err != nil || len(logged) < eraseAtOnce {
			return erased, err
		}
		q.After = ledger.PositionOf(logged[len(logged)-1].ID)
	}
}
