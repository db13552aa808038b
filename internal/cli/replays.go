package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/replay"
)

// errForce is the error for messages of unknown outcome without --force.
var errForce = errors.New("messages of unknown outcome may be sent twice: --force replays them")

// manyReplays replays many messages.
type manyReplays struct{ group }

func (f *manyReplays) addFlags(cmd *cobra.Command) {
	f.group.addFlags(cmd, "replay")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "with --status: say how many messages, and how many may double")
}

// replayMany replays many messages. The workers do it; the command shows their
// progress, and may be ended without ending the replay.
func (f *manyReplays) replayMany(cmd *cobra.Command, s session, force bool) error {
	filter, err := f.filter()
	if err != nil {
		return err
	}
	if err := f.checkPace(); err != nil {
		return err
	}
	if slices.Contains(filter.Statuses, message.StatusUnknown) && !force && !f.dryRun {
		return errForce
	}
	store, err := s.replays()
	if err != nil {
		return err
	}
	selected, err := store.Select(cmd.Context(), filter)
	if err != nil {
		return err
	}
	if f.dryRun {
		shown := struct {
			Count     int          `json:"count"`
			MayDouble int          `json:"mayDouble"`
			Sample    []message.ID `json:"sample"`
		}{selected.Count, selected.MayDouble, selected.Sample}
		return result(cmd, shown, line("%d messages would be replayed, of which %d may be sent twice", selected.Count, selected.MayDouble))
	}
	request := replay.Request{Filter: filter, Rate: f.perSecond, Force: force}
	job, err := s.operator.StartJob(cmd.Context(), store, request, f.target(), selected, "")
	if err != nil {
		return err
	}
	job, err = follow(cmd.Context(), store, job, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	shown := shownReplay{ID: job.ID, Status: string(job.Status), Total: job.Total, Replayed: job.Replayed, Skipped: job.Skipped}
	return result(cmd, shown, line("%s %s: %d of %d messages replayed, %d skipped",
		job.ID, job.Status, job.Replayed, job.Total, job.Skipped))
}

// shownReplay is a replay in JSON, with the members of GET /v1/replays/{id}.
type shownReplay struct {
	ID       string `json:"id"`
	Status   string `json:"status"`
	Total    int64  `json:"total"`
	Replayed int64  `json:"replayed"`
	Skipped  int64  `json:"skipped"`
}

// follow shows the progress of a replay until it ends.
func follow(ctx context.Context, store *replay.Store, job replay.Replay, out io.Writer) (replay.Replay, error) {
	bar := progressbar.NewOptions64(job.Total, progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(job.ID),
		progressbar.OptionShowCount(), progressbar.OptionThrottle(time.Second/10))
	defer fmt.Fprintln(out)
	tick := time.NewTicker(time.Second / 5)
	defer tick.Stop()
	for {
		_ = bar.Set64(job.Replayed + job.Skipped)
		if job.Status != replay.Running {
			return job, nil
		}
		select {
		case <-ctx.Done():
			fmt.Fprintf(out, "\n%s goes on in the workers\n", job.ID)
			return job, nil
		case <-tick.C:
		}
		var err error
		if job, err = store.Get(ctx, nil, job.ID); err != nil && ctx.Err() == nil {
			return job, err
		}
	}
}
