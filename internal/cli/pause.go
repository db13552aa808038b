package cli

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/pause"
)

// scopeFlags select what is paused.
type scopeFlags struct{ lane, tenant, sender, batch string }

func (f *scopeFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.lane, "lane", "", "only this lane: high, normal or bulk")
	completeLanes(cmd, "lane")
	cmd.Flags().StringVar(&f.tenant, "tenant", "", "only this tenant")
	cmd.Flags().StringVar(&f.sender, "sender", "", "only messages from this number")
	cmd.Flags().StringVar(&f.batch, "batch", "", "only this batch, by its id")
	cmd.MarkFlagsMutuallyExclusive("lane", "tenant", "sender", "batch")
}

// scope is everything unless a flag was given.
func (f *scopeFlags) scope(cmd *cobra.Command) (pause.Scope, error) {
	switch given := cmd.Flags().Changed; {
	case given("lane"):
		return pause.Lane(f.lane)
	case given("tenant"):
		return pause.Tenant(f.tenant)
	case given("sender"):
		return pause.Sender(f.sender)
	case given("batch"):
		return pause.Batch(f.batch)
	default:
		return pause.All, nil
	}
}

// pauseResult is a scope after a change.
type pauseResult struct {
	Scope  pause.Scope `json:"scope"`
	Paused bool        `json:"paused"`
	Was    *bool       `json:"wasPaused,omitempty"` // of resume
}

// newPause keeps messages from being sent.
func newPause() *cobra.Command {
	var (
		flags  scopeFlags
		reason string
	)
	cmd := &cobra.Command{
		Use:   "pause [--lane L | --tenant T | --sender NUMBER | --batch ID] --reason TEXT",
		Short: "Keep messages queued: everything, a lane, a tenant, a sender or a batch; in force within 2 seconds",
		Example: "  mmsctl pause --lane bulk --reason 'complaints about the campaign'\n" +
			"  mmsctl resume --lane bulk",
		Args: cobra.NoArgs,
		RunE: withRedis(func(cmd *cobra.Command, _ []string, s session) error {
			scope, err := flags.scope(cmd)
			if err != nil {
				return err
			}
			err = s.operator.Pause(cmd.Context(), scope, reason)
			switch {
			case errors.Is(err, operator.ErrReason):
				return errReason
			case err != nil:
				return fmt.Errorf("pause: %w", err)
			}
			return result(cmd, pauseResult{Scope: scope, Paused: true}, line("paused: %s", scope))
		}),
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why; required")
	return cmd
}

// newResume ends a pause.
func newResume() *cobra.Command {
	var (
		flags  scopeFlags
		reason string
	)
	cmd := &cobra.Command{
		Use:   "resume [--lane L | --tenant T | --sender NUMBER | --batch ID]",
		Short: "End a pause; a tenant's pause of its own batch stays",
		Args:  cobra.NoArgs,
		RunE: withRedis(func(cmd *cobra.Command, _ []string, s session) error {
			scope, err := flags.scope(cmd)
			if err != nil {
				return err
			}
			was, err := s.operator.Resume(cmd.Context(), scope, reason)
			if err != nil {
				return fmt.Errorf("resume: %w", err)
			}
			state := "resumed"
			if !was {
				state = "was not paused"
			}
			return result(cmd, pauseResult{Scope: scope, Was: &was}, line("%s: %s", state, scope))
		}),
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit")
	return cmd
}

// newPauses lists what is paused.
func newPauses() *cobra.Command {
	return &cobra.Command{
		Use:   "pauses",
		Short: "List what is paused, by operators, by tenants and by itself",
		Args:  cobra.NoArgs,
		RunE: withRedis(func(cmd *cobra.Command, _ []string, s session) error {
			pauses, err := operator.Pauses(cmd.Context(), s.rdb)
			if err != nil {
				return fmt.Errorf("list pauses: %w", err)
			}
			return result(cmd, pauses, func(out io.Writer) error { return writePauses(out, pauses) })
		}),
	}
}

func writePauses(out io.Writer, pauses []operator.PauseInForce) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SCOPE\tSINCE\tUNTIL\tPROBE\tACTOR\tREASON")
	for _, p := range pauses {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n",
			p.Scope, p.Since.Format(time.RFC3339), stamp(p.Until), stamp(p.ProbeAt), p.Actor, p.Reason)
	}
	return table.Flush() //nolint:wrapcheck // the caller names the command
}
