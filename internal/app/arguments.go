package app

import (
	"fmt"
	"io"

	"mmsdispatch/internal/telemetry"
)

// answerArguments handles the arguments of a process, which is configured by its
// environment alone. done is true when the process is to exit.
func answerArguments(kind Kind, args []string, stdout, stderr io.Writer) (code int, done bool) {
	switch {
	case len(args) == 0:
		return exitOK, false
	case len(args) == 1 && (args[0] == "--help" || args[0] == "-h"):
		fmt.Fprint(stdout, usage(kind))
		return exitOK, true
	case len(args) == 1 && args[0] == "--version":
		build := telemetry.ReadBuild(string(kind))
		fmt.Fprintf(stdout, "%s %s (%s)\n", build.Process, build.Version, build.Revision)
		return exitOK, true
	default:
		fmt.Fprintf(stderr, "%s takes no arguments but --help and --version: it is configured by environment variables\n", kind)
		return exitConfig, true
	}
}

func usage(kind Kind) string {
	does := "Accepts messages and receipts from Sinch over HTTP."
	if kind == Worker {
		does = "Sends queued messages through Sinch."
	}
	return fmt.Sprintf(`%s

Usage: %s [--help | --version]

It is configured by environment variables, and in development by a .env file in
the working directory. docs/configuration.md and .env.example list them all;
mmsctl doctor checks them.
`, does, kind)
}
