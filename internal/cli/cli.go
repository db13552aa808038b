// Package cli is the command line of the dispatcher, mmsctl.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9/logging"
	"github.com/spf13/cobra"

	"mmsdispatch/internal/telemetry"
)

// Exit codes. Those above 1 are how a message ended (mmsctl send --wait).
const (
	exitOK           = 0
	exitFailure      = 1
	exitNotDelivered = 2
	exitUnknown      = 3
	exitPending      = 4
)

// exitError ends a command that has printed its result with a code of its own.
type exitError int

// Error implements error.
func (c exitError) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// Main runs a command line and returns its exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	logging.Disable()            // errors of the Redis client are in those of its commands
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); err != nil {
		if code, ok := errors.AsType[exitError](err); ok {
			return int(code)
		}
		if !errors.Is(err, errReported) {
			fmt.Fprintln(stderr, "mmsctl:", err)
		}
		return exitFailure
	}
	return exitOK
}

// errReported ends a command that has printed its error already.
var errReported = errors.New("failed")

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:           "mmsctl",
		Short:         "The command line of the MMS dispatcher",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       telemetry.ReadBuild("mmsctl").Version,
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	addAs(root)
	addJSON(root)
	root.AddCommand(newDev(), newSimulator(), newSend(), newBulk(), newMedia(), newStatus(), newCancel(), newReplay(), newSuppress(),
		newTop(), newRate(), newPause(), newResume(), newPauses(), newOptOuts(), newAudit(), newAuditLog(),
		newBench(), newLoad(), newKeys(), newMigrate(), newHealth(), newDoctor(), newVersion())
	return root
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			build := telemetry.ReadBuild(cmd.Root().Name())
			shown := struct {
				Version  string `json:"version"`
				Revision string `json:"revision"`
			}{build.Version, build.Revision}
			return result(cmd, shown, func(out io.Writer) error {
				_, err := fmt.Fprintf(out, "%s %s (%s)\n", build.Process, build.Version, build.Revision)
				return err //nolint:wrapcheck // result wraps it
			})
		},
	}
}
