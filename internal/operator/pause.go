package operator

import (
	"context"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/pause"
)

// pauseState is a pause as an audit entry shows it.
type pauseState struct {
	Reason string    `json:"reason"`
	Actor  string    `json:"actor"`
	Since  time.Time `json:"since"`
}

func stateOf(set pause.Set, scope pause.Scope) any {
	p, paused := set[pause.Pause{Scope: scope}.Key()]
	if !paused {
		return nil
	}
	return pauseState{Reason: scrubbed(p.Reason), Actor: p.Actor, Since: p.Since}
}

// Pause pauses a scope, or replaces the reason of a pause in force. It returns
// ErrReason without a reason. What may be a number in the reason is not kept.
func (o *Operator) Pause(ctx context.Context, scope pause.Scope, reason string) error {
	if reason == "" {
		return ErrReason
	}
	store := pause.NewStore(o.rdb)
	set, err := store.Read(ctx)
	if err != nil {
		return err
	}
	p := pause.Pause{Scope: scope, Reason: scrubbed(reason), Actor: o.name, Since: time.Now().UTC().Truncate(time.Millisecond)}
	if before, paused := set[p.Key()]; paused {
		p.Since = before.Since
	}
	err = o.Record(ctx, Change{
		Action: ActionPause, Target: targetOf(scope), Reason: reason, Before: stateOf(set, scope),
		After: pauseState{Reason: scrubbed(reason), Actor: o.name, Since: p.Since},
	})
	if err != nil {
		return err
	}
	return store.Put(ctx, p)
}

// Resume ends the operators' pause of a scope and reports whether there was one.
func (o *Operator) Resume(ctx context.Context, scope pause.Scope, reason string) (paused bool, err error) {
	store := pause.NewStore(o.rdb)
	set, err := store.Read(ctx)
	if err != nil {
		return false, err
	}
	before := stateOf(set, scope)
	if before == nil {
		return false, nil
	}
	if err := o.Record(ctx, Change{Action: ActionResume, Target: targetOf(scope), Reason: reason, Before: before}); err != nil {
		return true, err
	}
	return true, store.Remove(ctx, pause.Pause{Scope: scope}.Key())
}

// targetOf names a scope without the number of a sender.
func targetOf(scope pause.Scope) string {
	if number, ok := scope.SenderNumber(); ok {
		return "sender:" + message.Masked(number)
	}
	return string(scope)
}
