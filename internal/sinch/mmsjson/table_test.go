package mmsjson_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinch/mmsjson"
)

func TestTableIsWhole(t *testing.T) {
	t.Parallel()
	table := mmsjson.Codes()
	if diff := cmp.Diff(slices.Sorted(maps.Keys(documented())), slices.Sorted(maps.Keys(table))); diff != "" {
		t.Errorf("codes (-documented +table):\n%s", diff)
	}
	for code, rule := range table {
		if rule.Code != code {
			t.Errorf("%s stands under %s", rule.Code, code)
		}
	}
}

// The page for readers says what the table says.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/sinch.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "<!-- table: mms answers -->\n")
	got, _, _ := strings.Cut(rest, "<!-- end -->")
	want := "| Code | Meaning | Outcome | Reason |\n|---|---|---|---|\n"
	for _, code := range slices.Sorted(maps.Keys(mmsjson.Codes())) {
		rule := mmsjson.Codes()[code]
		want += fmt.Sprintf("| %#q | %s | %s | %#q |\n", code, rule.Meaning, rule.Kind, rule.Reason)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/sinch.md (-want +got):\n%s", diff)
	}
}
