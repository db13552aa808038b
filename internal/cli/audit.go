package cli

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mmsdispatch/internal/operator"
)

// newAudit lists the changes made by operators.
func newAudit() *cobra.Command {
	var since string
	cmd := &cobra.Command{
		Use:     "audit",
		Short:   "List the changes made by operators, newest first",
		Example: "  mmsctl audit --since 7d",
		Args:    cobra.NoArgs,
		RunE: withRedis(func(cmd *cobra.Command, _ []string, s session) error {
			age, err := parseDays(since)
			if err != nil || age < 0 {
				return fmt.Errorf("--since %q: must be a time such as 24h or 7d", since)
			}
			entries, err := operator.Audit(cmd.Context(), s.rdb, time.Now().Add(-age))
			if err != nil {
				return err
			}
			return result(cmd, entries, func(out io.Writer) error { return writeAudit(out, entries) })
		}),
	}
	cmd.Flags().StringVar(&since, "since", "24h", "how far back, such as 12h or 7d")
	return cmd
}

func writeAudit(out io.Writer, entries []operator.Entry) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "AT\tACTOR\tFROM\tACTION\tTARGET\tREASON")
	for _, e := range entries {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", e.At.Format(time.RFC3339), e.Actor, e.From, e.Action, dash(e.Target), dash(e.Reason))
	}
	return table.Flush() //nolint:wrapcheck // the caller names the command
}
