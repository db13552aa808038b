package message_test

import (
	"os"
	"strings"
	"testing"

	"mmsdispatch/internal/message"
)

// TestDocumentedTransitions compares the diagram and the table of the page with
// the transition table, so that the page shows every edge and no other.
func TestDocumentedTransitions(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/state-machine.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{diagram(), table()} {
		if !strings.Contains(string(page), want) {
			t.Errorf("docs/state-machine.md does not contain:\n%s", want)
		}
	}
}

// diagram is the transition table as a Mermaid state diagram.
func diagram() string {
	var b strings.Builder
	b.WriteString("```mermaid\nstateDiagram-v2\n")
	for _, s := range message.Statuses() {
		if s.Waiting() {
			b.WriteString("    [*] --> " + string(s) + ": accepted\n")
		}
	}
	for _, e := range message.Edges() {
		b.WriteString("    " + string(e.From) + " --> " + string(e.To) + ": " + triggers(e) + "\n")
	}
	b.WriteString("```\n")
	return b.String()
}

// table is the transition table in Markdown.
func table() string {
	var b strings.Builder
	b.WriteString("| From | To | On |\n|---|---|---|\n")
	for _, e := range message.Edges() {
		b.WriteString("| " + string(e.From) + " | " + string(e.To) + " | " + triggers(e) + " |\n")
	}
	return b.String()
}

func triggers(e message.Edge) string {
	on := make([]string, len(e.On))
	for i, trigger := range e.On {
		on[i] = string(trigger)
	}
	return strings.Join(on, ", ")
}
