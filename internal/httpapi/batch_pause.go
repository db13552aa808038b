package httpapi

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/pause"
)

// Pauses is what the API needs of the record of pauses.
type Pauses interface {
	Read(ctx context.Context) (pause.Set, error)
	Put(ctx context.Context, p pause.Pause) error
	Remove(ctx context.Context, keys ...pause.Key) error
}

// ownPause is a tenant's pause of its own batch.
func (a *api) ownPause(b ledger.Batch) pause.Pause {
	tenant := "tenant:" + b.Scope.Tenant
	return pause.Pause{Scope: pause.OfBatch(b.ID), Reason: "paused by its tenant", Actor: tenant, Since: a.now(), Own: true}
}

func (a *api) pauseBatch(c echo.Context, caller Caller) error {
	return a.changePause(c, caller, func(ctx context.Context, b ledger.Batch, set pause.Set) error {
		own := a.ownPause(b)
		if _, paused := set[own.Key()]; paused {
			return nil
		}
		set[own.Key()] = own
		return a.Pauses.Put(ctx, own)
	})
}

func (a *api) resumeBatch(c echo.Context, caller Caller) error {
	return a.changePause(c, caller, func(ctx context.Context, b ledger.Batch, set pause.Set) error {
		own := a.ownPause(b).Key()
		delete(set, own)
		return a.Pauses.Remove(ctx, own)
	})
}

// changePause changes the tenant's own pause of a batch, in Redis and in set.
func (a *api) changePause(c echo.Context, caller Caller, change func(ctx context.Context, b ledger.Batch, set pause.Set) error) error {
	if err := a.readNothing(c); err != nil {
		return err
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	b, err := a.readBatch(ctx, caller.Scope, message.BatchID(c.Param(batchParam)))
	if err != nil {
		return batchError(err)
	}
	if b.Canceled || b.Open() == 0 {
		return newProblem(codeNotPausable, "The batch is done or canceled: none of its messages waits or is being sent.")
	}
	set, err := a.Pauses.Read(ctx)
	if err != nil {
		return err
	}
	if err := change(ctx, b, set); err != nil {
		return err
	}
	writeJSON(c, http.StatusOK, a.batch(b, set))
	return nil
}
