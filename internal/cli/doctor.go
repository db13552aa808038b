package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"mmsdispatch/internal/config"
	"mmsdispatch/internal/doctor"
)

// newDoctor checks the installation that the environment describes.
func newDoctor() *cobra.Command {
	var process string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check configuration, Redis, database and Sinch without sending; exits 1 when something fails",
		Long: "Reads the environment (and .env) as the processes do and checks everything they need. It sends no\n" +
			"message, changes nothing, and prints no secret, so that its output can be shared.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			processes, err := processesOf(process)
			if err != nil {
				return err
			}
			environ, err := config.OSEnviron()
			if err != nil {
				return fmt.Errorf("environment: %w", err)
			}
			report := doctor.Examine(cmd.Context(), doctor.Options{Environ: environ, Processes: processes})
			write := report.Write
			if wantsJSON(cmd) {
				write = report.WriteJSON
			}
			if err := write(cmd.OutOrStdout()); err != nil {
				return fmt.Errorf("doctor: %w", err)
			}
			if report.Level() == doctor.Fail {
				return errReported
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&process, "process", "all", "process of this environment: api, worker, or all for both")
	completeValues(cmd, "process", "all", string(config.API), string(config.Worker))
	return cmd
}

// processesOf returns the processes that a flag names.
func processesOf(name string) ([]config.Process, error) {
	switch name {
	case "all":
		return []config.Process{config.API, config.Worker}, nil
	case string(config.API), string(config.Worker):
		return []config.Process{config.Process(name)}, nil
	default:
		return nil, fmt.Errorf("--process: %q is none of api, worker, all", name)
	}
}
