package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/replay"
)

// manyReplays are the flags of mmsctl replay that select many messages.
type manyReplays struct {
	statuses, reasons []string
	batch, since      string
	perSecond         float64
	dryRun            bool
}

func (f *manyReplays) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.statuses, "status", nil,
		"replay all messages in these states, over all tenants: failed, expired, undelivered, canceled, unknown")
	flags.StringSliceVar(&f.reasons, "reason", nil, "with --status: only those with one of these reasons, such as account")
	flags.StringVar(&f.batch, "batch", "", "with --status: only those of this batch")
	flags.StringVar(&f.since, "since", "", "with --status: only those accepted so far back, such as 24h or 7d")
	flags.Float64Var(&f.perSecond, "per-second", 10, "with --status: messages per second")
	completeValues(cmd, "status", words(message.ReplayableStatuses())...)
	completeValues(cmd, "reason", words(message.ReasonCodes())...)
	flags.BoolVar(&f.dryRun, "dry-run", false, "with --status: say how many messages, and how many may double")
}

// filter reads the flags.
func (f *manyReplays) filter() (replay.Filter, error) {
	var filter replay.Filter
	for _, word := range f.statuses {
		if !slices.Contains(message.ReplayableStatuses(), message.Status(word)) {
			return filter, fmt.Errorf("--status %s: must be one of failed, expired, undelivered, canceled, unknown", word)
		}
		filter.Statuses = append(filter.Statuses, message.Status(word))
	}
	for _, word := range f.reasons {
		if !slices.Contains(message.ReasonCodes(), message.ReasonCode(word)) {
			return filter, fmt.Errorf("--reason %s: there is no such reason", word)
		}
		filter.Reasons = append(filter.Reasons, message.ReasonCode(word))
	}
	if f.batch != "" {
		id, err := message.ParseBatchID(f.batch)
		if err != nil {
			return filter, fmt.Errorf("--batch %s: must be the id of a batch", f.batch)
		}
		filter.BatchID = id
	}
	if f.since != "" {
		age, err := parseDays(f.since)
		if err != nil || age <= 0 {
			return filter, fmt.Errorf("--since %q: must be a time such as 24h or 7d", f.since)
		}
		filter.After = time.Now().Add(-age)
	}
	return filter, nil
}

// errForce is the error for messages of unknown outcome without --force.
var errForce = errors.New("messages of unknown outcome may be sent twice: --force replays them")

// errPace is the error for an impossible --per-second.
var errPace = errors.New("--per-second must be more than 0 and at most 1000")

// replayMany replays many messages. The workers do it; the command shows their
// progress, and may be ended without ending the replay.
func (f *manyReplays) replayMany(cmd *cobra.Command, s session, force bool) error {
	filter, err := f.filter()
	if err != nil {
		return err
	}
	const most = 1000
	switch {
	case f.perSecond <= 0 || f.perSecond > most:
		return errPace
	case slices.Contains(filter.Statuses, message.StatusUnknown) && !force && !f.dryRun:
		return errForce
	}
	l, err := ledger.New(s.rdb, ledger.Options{RecordTTL: s.cfg.Store.RecordTTL})
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	store := replay.NewStore(s.rdb, l, s.cfg.Store.RecordTTL)
	if f.dryRun {
		selected, err := store.Select(cmd.Context(), filter)
		if err != nil {
			return err
		}
		shown := struct {
			Count     int          `json:"count"`
			MayDouble int          `json:"mayDouble"`
			Sample    []message.ID `json:"sample"`
		}{selected.Count, selected.MayDouble, selected.Sample}
		return result(cmd, shown, line("%d messages would be replayed, of which %d may be sent twice", selected.Count, selected.MayDouble))
	}
	selected, err := store.Select(cmd.Context(), filter)
	if err != nil {
		return err
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

// target names the selection in the audit.
func (f *manyReplays) target() string {
	parts := []string{"status=" + strings.Join(f.statuses, ",")}
	for name, value := range map[string]string{"reason": strings.Join(f.reasons, ","), "batch": f.batch, "since": f.since} {
		if value != "" {
			parts = append(parts, name+"="+value)
		}
	}
	slices.Sort(parts[1:])
	return strings.Join(parts, " ")
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
