package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/replay"
)

// groupChange cancels many messages, or opts their recipients out. The workers do it,
// and the command shows their progress.
type groupChange struct {
	group

	because string
	yes     bool
}

// newGroupChange adds the flags of a change to its command.
func newGroupChange(cmd *cobra.Command, action replay.Action) *groupChange {
	g := &groupChange{group: group{action: action}}
	g.addFlags(cmd, cmd.Name())
	flags := cmd.Flags()
	flags.StringVar(&g.because, "because", "", "why, for the audit; required with --status")
	flags.BoolVar(&g.dryRun, "dry-run", false, "with --status: say how many messages, and change nothing")
	flags.BoolVar(&g.yes, "yes", false, "with --status: do not ask")
	return g
}

// errBecause is operator.ErrReason where --reason is that of the messages.
var errBecause = errors.New("--because is required: it is in the audit")

// errNotChanged is the error of a change that was not to be made.
var errNotChanged = errors.New("nothing was changed: answer y, or give --yes")

// run selects the messages, asks, and has the workers change them.
func (g *groupChange) run(cmd *cobra.Command, s session) error {
	filter, err := g.filter()
	if err != nil {
		return err
	}
	if err := g.checkPace(); err != nil {
		return err
	}
	if g.because == "" && !g.dryRun {
		return errBecause
	}
	// What comes after the question is not what it was about. Redis' clock is that of the messages.
	if filter.Before, err = s.rdb.Time(cmd.Context()).Result(); err != nil {
		return fmt.Errorf("read the time of Redis: %w", err)
	}
	store, err := s.replays()
	if err != nil {
		return err
	}
	selected, err := store.Select(cmd.Context(), filter)
	if err != nil {
		return err
	}
	if g.dryRun {
		shown := shownSelection{Count: selected.Count, Attempted: selected.Attempted, Sample: selected.Sample}
		return result(cmd, shown, line("%s", g.effect(selected)))
	}
	if err := g.confirm(cmd, selected); err != nil {
		return err
	}
	return g.start(cmd, s, store, filter, selected)
}

// shownSelection is what a change would be made to, in JSON.
type shownSelection struct {
	Count int `json:"count"`
	// Attempted have an attempt that Sinch may have accepted.
	Attempted int          `json:"attempted"`
	Sample    []message.ID `json:"sample"`
}

// effect says what a change would do.
func (g *groupChange) effect(s replay.Selection) string {
	of := messageCount(int64(s.Count))
	if g.action == replay.Suppress {
		return "the recipients of " + of + " would be opted out of all senders of their tenants"
	}
	text := of + " would be canceled"
	if s.Attempted > 0 {
		text += fmt.Sprintf("; %d of them end unknown, because Sinch may have accepted an earlier attempt", s.Attempted)
	}
	return text
}

// confirm asks whether to make the change, unless there is nothing to do or --yes was
// given.
func (g *groupChange) confirm(cmd *cobra.Command, s replay.Selection) error {
	if g.yes || s.Count == 0 {
		return nil
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s. Continue? [y/N] ", g.effect(s))
	reply, err := readReply(cmd.Context(), cmd.InOrStdin())
	if err != nil {
		return err
	}
	if reply != "y" && reply != "yes" {
		return errNotChanged
	}
	return nil
}

// readReply reads a line from a person, in lower case, until ctx ends.
func readReply(ctx context.Context, in io.Reader) (string, error) {
	type reply struct {
		text string
		err  error
	}
	replies := make(chan reply, 1)
	go func() { // a read of a terminal cannot be interrupted
		text, err := bufio.NewReader(in).ReadString('\n')
		replies <- reply{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case r := <-replies:
		if r.err != nil && !errors.Is(r.err, io.EOF) {
			return "", fmt.Errorf("read the answer: %w", r.err)
		}
		return strings.ToLower(strings.TrimSpace(r.text)), nil
	}
}

// start records and starts the change, and shows its progress.
func (g *groupChange) start(cmd *cobra.Command, s session, store *replay.Store, filter replay.Filter, seen replay.Selection) error {
	request := replay.Request{Filter: filter, Action: g.action, Rate: g.perSecond}
	job, err := s.operator.StartJob(cmd.Context(), store, request, g.target(), seen, g.because)
	switch {
	case errors.Is(err, operator.ErrReason):
		return errBecause
	case err != nil:
		return err
	}
	if job, err = follow(cmd.Context(), store, job, cmd.ErrOrStderr()); err != nil {
		return err
	}
	done := "messages canceled"
	if g.action == replay.Suppress {
		done = "recipients opted out"
	}
	return result(cmd, showChange(job), line("%s %s: %d of %d %s, %d skipped",
		job.ID, job.Status, job.Replayed, job.Total, done, job.Skipped))
}

// stop ends a change of many messages, or a replay. What it has done stays.
func (g *groupChange) stop(cmd *cobra.Command, s session, id string) error {
	if g.because == "" {
		return errBecause
	}
	store, err := s.replays()
	if err != nil {
		return err
	}
	job, err := store.Get(cmd.Context(), nil, id)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", id, err)
	case job.Status != replay.Running:
		return fmt.Errorf("%s does not run any more: %s", id, job.Status)
	}
	if err := s.operator.StopJob(cmd.Context(), store, id, g.because); err != nil {
		return fmt.Errorf("end %s: %w", id, err)
	}
	if job, err = store.Get(cmd.Context(), nil, id); err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	return result(cmd, showChange(job), line("%s %s after %d of %d", id, job.Status, job.Replayed+job.Skipped, job.Total))
}

// shownChange is a change of many messages in JSON.
type shownChange struct {
	ID      string `json:"id"`
	Action  string `json:"action"`
	Status  string `json:"status"`
	Total   int64  `json:"total"`
	Done    int64  `json:"done"`
	Skipped int64  `json:"skipped"`
}

func showChange(job replay.Replay) shownChange {
	return shownChange{
		ID: job.ID, Action: cmp.Or(string(job.Action), "replay"), Status: string(job.Status),
		Total: job.Total, Done: job.Replayed, Skipped: job.Skipped,
	}
}

// newSuppress opts the recipients of many messages out.
func newSuppress() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "suppress --status STATES --because TEXT",
		Short: "Opt out the recipients of all messages in some state (REDIS_URL)",
		Long: "Opt out the recipients of all messages in these states, of all senders of the tenant. The workers do it, and the command\n" +
			"shows their progress. mmsctl optouts is for one number.",
		Example: "  mmsctl suppress --status failed --reason carrier --code E113 --tenant acme --dry-run\n" +
			"  mmsctl suppress --status failed --reason carrier --code E113 --tenant acme --because landlines",
		Args: cobra.NoArgs,
	}
	change := newGroupChange(cmd, replay.Suppress)
	_ = cmd.MarkFlagRequired("status") // the flag is there
	cmd.RunE = withRedis(func(cmd *cobra.Command, _ []string, s session) error { return change.run(cmd, s) })
	return cmd
}
