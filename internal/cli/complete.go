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

// words are values as text.
func words[T ~string](values []T) []string {
	texts := make([]string, 0, len(values))
	for _, value := range values {
		texts = append(texts, string(value))
	}
	return texts
}

// completeLanes has the shell complete a flag whose values are lanes.
func completeLanes(cmd *cobra.Command, flag string) {
	completeValues(cmd, flag, words(message.Lanes())...)
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

// completeRecords has the shell offer the files of load push.
func completeRecords(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"ndjson"}, cobra.ShellCompDirectiveFilterFileExt
}

// completeTables has the shell offer the files that bulk reads.
func completeTables(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return tableExtensions, cobra.ShellCompDirectiveFilterFileExt
}
