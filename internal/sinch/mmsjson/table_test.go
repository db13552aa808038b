package mmsjson_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinch/mmsjson"
	"mmsdispatch/internal/sinch/sinchtest"
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

// docs/sinch.md has the rules of the table.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	sinchtest.CheckDocumentation(t, "mms answers", mmsjson.Codes())
}
