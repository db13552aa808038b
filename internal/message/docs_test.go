package message_test

import (
	"os"
	"strings"
	"testing"

	"mmsdispatch/internal/message"
)

// TestDocumentedTable holds the page for readers against the table.
func TestDocumentedTable(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/state-machine.md")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString("| From | To | On |\n|---|---|---|\n")
	for _, e := range message.Edges() {
		triggers := make([]string, len(e.On))
		for i, on := range e.On {
			triggers[i] = string(on)
		}
		want.WriteString("| " + string(e.From) + " | " + string(e.To) + " | " + strings.Join(triggers, ", ") + " |\n")
	}
	if !strings.Contains(string(page), want.String()) {
		t.Fatalf("docs/state-machine.md does not hold the table:\n%s", want.String())
	}
}
