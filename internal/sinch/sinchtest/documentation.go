package sinchtest

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinch"
)

// CheckDocumentation checks that a table of docs/sinch.md lists the rules of a
// code table. It reads the page from the directory of an adapter's package.
func CheckDocumentation(t *testing.T, table string, codes sinch.Table) {
	t.Helper()
	page, err := os.ReadFile("../../../docs/sinch.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "<!-- table: "+table+" -->\n")
	got, _, _ := strings.Cut(rest, "<!-- end -->")
	var want strings.Builder
	want.WriteString("| Code | Meaning | Outcome | Reason |\n|---|---|---|---|\n")
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		rule := codes[code]
		fmt.Fprintf(&want, "| %#q | %s | %s | %#q |\n", code, rule.Meaning, rule.Kind, rule.Reason)
	}
	if diff := cmp.Diff(want.String(), got); diff != "" {
		t.Errorf("docs/sinch.md, %s (-want +got):\n%s", table, diff)
	}
}
