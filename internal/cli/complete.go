package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"mmsdispatch/internal/message"
)

// completeValues has the shell complete the value of a flag.
func completeValues(cmd *cobra.Command, flag string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}

// completeLanes has the shell complete a flag whose values are lanes.
func completeLanes(cmd *cobra.Command, flag string) {
	all := message.Lanes()
	lanes := make([]string, 0, len(all))
	for _, lane := range all {
		lanes = append(lanes, string(lane))
	}
	completeValues(cmd, flag, lanes...)
}

// completeDefaults has the shell complete NAME= of --default.
func completeDefaults(cmd *cobra.Command) {
	var names []string
	for _, column := range message.Columns() {
		if column != referenceField && !strings.Contains(column, "<") {
			names = append(names, column+"=")
		}
	}
	_ = cmd.RegisterFlagCompletionFunc("default", // the flag is there
		cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace))
}

// tableExtensions are those of the files that bulk reads.
var tableExtensions = []string{"csv", "ndjson", "jsonl"}

// completeTables has the shell offer the files that bulk reads.
func completeTables(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return tableExtensions, cobra.ShellCompDirectiveFilterFileExt
}
