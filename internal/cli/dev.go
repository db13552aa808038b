package cli

import (
	"github.com/spf13/cobra"

	"mmsdispatch/internal/app"
)

// newDev runs all components in one process.
func newDev() *cobra.Command {
	return &cobra.Command{
		Use:   "dev",
		Short: "Run api, worker, simulator and an embedded Redis in one process; nothing is kept",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return app.Dev(cmd.Context(), cmd.OutOrStdout()) },
	}
}
