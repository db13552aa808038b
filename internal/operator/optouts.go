package operator

import (
	"context"
	"errors"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/suppression"
)

// optOutState is an opt-out as an audit entry shows it.
type optOutState struct {
	Tenant    string             `json:"tenant"`
	Test      bool               `json:"test"`
	Sender    string             `json:"sender"` // empty: every sender
	Source    suppression.Source `json:"source"`
	CreatedAt *time.Time         `json:"createdAt"` // nil: it is about to be added
}

func shownOptOut(scope message.Scope, e suppression.Entry) optOutState {
	return optOutState{Tenant: scope.Tenant, Test: scope.Test, Sender: e.Sender, Source: e.Source, CreatedAt: instant(e.CreatedAt)}
}

// AddOptOut is suppression.Store.Put, recorded. It returns ErrReason without a
// reason.
func (o *Operator) AddOptOut(
	ctx context.Context, list *suppression.Store, scope message.Scope, number, sender, reason string,
) (e suppression.Entry, created bool, err error) {
	if reason == "" {
		return suppression.Entry{}, false, ErrReason
	}
	after := suppression.Entry{Sender: sender, Source: suppression.SourceAPI}
	err = o.recordOptOut(ctx, list, scope, number, sender, Change{
		Action: ActionOptOutAdd, Reason: reason, After: shownOptOut(scope, after),
	})
	if err != nil {
		return suppression.Entry{}, false, err
	}
	return list.Put(ctx, scope, number, sender, reason)
}

// RemoveOptOut is suppression.Store.Delete, recorded. It returns
// suppression.ErrNotFound when there is nothing to remove, and ErrReason without a
// reason.
func (o *Operator) RemoveOptOut(ctx context.Context, list *suppression.Store, scope message.Scope, number, sender, reason string) error {
	if reason == "" {
		return ErrReason
	}
	if _, err := list.Get(ctx, scope, number, sender); err != nil {
		return err
	}
	err := o.recordOptOut(ctx, list, scope, number, sender, Change{Action: ActionOptOutRemove, Reason: reason})
	if err != nil {
		return err
	}
	return list.Delete(ctx, scope, number, sender)
}

// recordOptOut records a change with the opt-out that is in effect before it.
func (o *Operator) recordOptOut(ctx context.Context, list *suppression.Store, scope message.Scope, number, sender string, c Change) error {
	before, err := list.Get(ctx, scope, number, sender)
	switch {
	case err == nil:
		c.Before = shownOptOut(scope, before)
	case !errors.Is(err, suppression.ErrNotFound):
		return err
	}
	c.Target = message.Masked(number)
	return o.Record(ctx, c)
}
