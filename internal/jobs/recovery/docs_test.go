package recovery

import (
	"os"
	"strings"
	"testing"
)

// TestRecoveriesAreDocumented checks the page for operators against the kinds.
func TestRecoveriesAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/promises.md")
	if err != nil {
		t.Fatal(err)
	}
	kinds := []string{
		TaskMissing, TaskStuck, WorkerLost, CallNotBegun, CallFound, CallAbsent, Resent, Rollback,
	}
	for _, kind := range kinds {
		if !strings.Contains(string(page), "| `"+kind+"` |") {
			t.Errorf("docs/promises.md has no time for %q", kind)
		}
	}
}
