package jobs

import (
	"os"
	"strings"
	"testing"
)

// TestHealingIsDocumented holds the page for operators against the kinds.
func TestHealingIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/promises.md")
	if err != nil {
		t.Fatal(err)
	}
	kinds := []string{
		healedTask, healedStuck, healedWorker, healedNotBegun, healedFound, healedAbsent, healedResent, healedRollback,
	}
	for _, kind := range kinds {
		if !strings.Contains(string(page), "| `"+kind+"` |") {
			t.Errorf("docs/promises.md does not say how long %q takes", kind)
		}
	}
}
