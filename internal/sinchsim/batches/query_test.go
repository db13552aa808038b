package batches

import (
	"testing"
	"time"
)

// A list without a start covers the last 24 hours.
func TestListWindow(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	q, refused := parseQuery(nil, now)
	if refused != nil {
		t.Fatal(refused.text)
	}
	for at, want := range map[time.Time]bool{
		now: true, now.Add(-24 * time.Hour): true, now.Add(-24*time.Hour - time.Millisecond): false,
	} {
		if q.Covers(at) != want {
			t.Errorf("covers %s: %v", at, !want)
		}
	}
}
