package operator

import (
	"context"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/replay"
)

// Jobs runs changes of many messages in the background.
type Jobs interface {
	Create(ctx context.Context, r replay.Request) (replay.Replay, error)
	Get(ctx context.Context, scope *message.Scope, id string) (replay.Replay, error)
	Cancel(ctx context.Context, scope *message.Scope, id string) (replay.Replay, error)
}

// jobCounts are the counts of a selection as an audit entry shows them.
type jobCounts struct {
	Messages  int `json:"messages"`
	MayDouble int `json:"mayDouble"`
}

// StartJob has many messages sent again, canceled, or their recipients opted out, as
// the action of the request says. target names them in the audit, and seen is what the
// operator was told that would be selected. It returns ErrReason for a cancel and for
// opt-outs without a reason.
func (o *Operator) StartJob(
	ctx context.Context, jobs Jobs, r replay.Request, target string, seen replay.Selection, reason string,
) (replay.Replay, error) {
	if reason == "" && r.Action != replay.SendAgain {
		return replay.Replay{}, ErrReason
	}
	err := o.Record(ctx, Change{
		Action: actionOf(r.Action), Target: target, Reason: reason, Before: jobCounts{Messages: seen.Count, MayDouble: seen.MayDouble},
	})
	if err != nil {
		return replay.Replay{}, err
	}
	r.Reason = scrubbed(reason)
	return jobs.Create(ctx, r)
}

// StopJob ends a job; what it has done stays. It returns ErrReason without a reason,
// and replay.ErrNotFound when there is none.
func (o *Operator) StopJob(ctx context.Context, jobs Jobs, id, reason string) error {
	if reason == "" {
		return ErrReason
	}
	job, err := jobs.Get(ctx, nil, id)
	if err != nil {
		return err
	}
	err = o.Record(ctx, Change{
		Action: actionOf(job.Action), Target: id, Reason: reason, Before: string(job.Status), After: string(replay.Canceled),
	})
	if err != nil {
		return err
	}
	_, err = jobs.Cancel(ctx, nil, id)
	return err
}

// actionOf is the action of a job in the audit.
func actionOf(a replay.Action) Action {
	switch a {
	case replay.Cancel:
		return ActionMessageCancel
	case replay.Suppress:
		return ActionOptOutAdd
	case replay.SendAgain:
	}
	return ActionMessageReplay
}
