package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// jsonFlag has every command print JSON.
const jsonFlag = "json"

// addJSON adds the flag to a command and those below it.
func addJSON(cmd *cobra.Command) {
	cmd.PersistentFlags().Bool(jsonFlag, false, "print the result as JSON on stdout, for programs")
}

// wantsJSON reports whether a command prints JSON.
func wantsJSON(cmd *cobra.Command) bool {
	given := cmd.Flag(jsonFlag)
	return given != nil && given.Value.String() == "true"
}

// result prints what a command has found or done: a value as JSON in one line, or a
// text.
func result(cmd *cobra.Command, value any, text func(out io.Writer) error) error {
	write := text
	if wantsJSON(cmd) {
		write = func(out io.Writer) error { return json.NewEncoder(out).Encode(value) }
	}
	if err := write(cmd.OutOrStdout()); err != nil {
		return fmt.Errorf("%s: write the result: %w", cmd.CommandPath(), err)
	}
	return nil
}

// nothing is the text of a command that succeeds without a word.
func nothing(io.Writer) error { return nil }

// line is a text of one line.
func line(format string, args ...any) func(out io.Writer) error {
	return func(out io.Writer) error {
		_, err := fmt.Fprintf(out, format+"\n", args...)
		return err //nolint:wrapcheck // result wraps it
	}
}
