package httpapi

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/replay"
)

// Replays is what the API needs of the replays of many messages.
type Replays interface {
	Select(ctx context.Context, f replay.Filter) (replay.Selection, error)
	Create(ctx context.Context, r replay.Request) (replay.Replay, error)
	Get(ctx context.Context, scope *message.Scope, id string) (replay.Replay, error)
	Cancel(ctx context.Context, scope *message.Scope, id string) (replay.Replay, error)
}

// replayRate is the pace of a replay that names none, in messages per second.
const replayRate = 10

// replayParam is a parameter of paths.
const replayParam = "replayId"

// replayResource is a replay as callers see it.
type replayResource struct {
	ID       string        `json:"id"`
	Status   replay.Status `json:"status"`
	Total    int64         `json:"total"`
	Replayed int64         `json:"replayed"`
	Skipped  int64         `json:"skipped"`
}

func showReplay(r replay.Replay) replayResource {
	return replayResource{ID: r.ID, Status: r.Status, Total: r.Total, Replayed: r.Replayed, Skipped: r.Skipped}
}

// selectionResource is the answer to a dry run.
type selectionResource struct {
	Count     int          `json:"count"`
	MayDouble int          `json:"mayDouble"`
	Sample    []message.ID `json:"sample"`
}

// createReplay starts to replay the messages that a filter selects.
func (a *api) createReplay(c echo.Context, caller Caller) error {
	body, err := a.readJSON(c)
	if err != nil {
		return err
	}
	asked, problems, err := message.ParseReplays(body)
	if err != nil {
		return err
	}
	q := readQuery(c.Request(), "dryRun")
	dryRun := q.truth("dryRun")
	if problems = slices.Concat(q.problems, problems); len(problems) > 0 {
		return invalid(problems)
	}
	request := replay.Request{
		Filter: replay.Filter{
			Scope: &caller.Scope, Statuses: asked.Statuses, Reasons: asked.Reasons,
			BatchID: asked.BatchID, After: asked.After, Before: asked.Before,
		},
		Rate: cmp.Or(asked.Rate, replayRate), Force: asked.Force,
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), eraseTimeout)
	defer cancel()
	if dryRun {
		selected, err := a.Replays.Select(ctx, request.Filter)
		if err != nil {
			return err
		}
		writeJSON(c, http.StatusOK, selectionResource{Count: selected.Count, MayDouble: selected.MayDouble, Sample: selected.Sample})
		return nil
	}
	if slices.Contains(asked.Statuses, message.StatusUnknown) && !asked.Force {
		return message.ErrForceRequired
	}
	created, err := a.Replays.Create(ctx, request)
	if err != nil {
		return err
	}
	a.Log.Info().Str("request_id", callOf(c).logged).Str("replay", created.ID).Int64("messages", created.Total).Msg("replay created")
	c.Response().Header().Set(echo.HeaderLocation, "/v1/replays/"+created.ID)
	writeJSON(c, http.StatusAccepted, showReplay(created))
	return nil
}

func (a *api) getReplay(c echo.Context, caller Caller) error {
	if q := readQuery(c.Request()); len(q.problems) > 0 {
		return invalid(q.problems)
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	found, err := a.Replays.Get(ctx, &caller.Scope, c.Param(replayParam))
	if err != nil {
		return err
	}
	writeJSON(c, http.StatusOK, showReplay(found))
	return nil
}

func (a *api) cancelReplay(c echo.Context, caller Caller) error {
	if err := a.readNothing(c); err != nil {
		return err
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	canceled, err := a.Replays.Cancel(ctx, &caller.Scope, c.Param(replayParam))
	if err != nil {
		return err
	}
	writeJSON(c, http.StatusOK, showReplay(canceled))
	return nil
}
