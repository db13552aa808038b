package doctor

import (
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/redisconn"
)

func TestPace(t *testing.T) {
	t.Parallel()
	const day, gigabyte = 24 * time.Hour, 1 << 30
	for name, tc := range map[string]struct {
		maxMemory, used uint64
		rate            float64
		ttl             time.Duration
		want            string // of the only note; empty: none
	}{
		"no limit":           {0, gigabyte, 10, day, ""},
		"no pace":            {gigabyte, 0, 0, day, ""},
		"it fits":            {2 * gigabyte, 0, 10, 3 * day, "use 72 % of the memory"},
		"it does not":        {2 * gigabyte, 0, 10, 30 * day, "full in 3.5 days"},
		"less is left":       {2 * gigabyte, gigabyte, 10, 30 * day, "full in 1.4 days"},
		"there is none left": {2 * gigabyte, 2 * gigabyte, 10, 30 * day, "full in 0.0 days"},
	} {
		n := &findings{}
		judgePace(n, redisconn.Health{MaxMemory: tc.maxMemory, UsedMemory: tc.used}, tc.rate, tc.ttl)
		if tc.want == "" != (len(n.list) == 0) || len(n.list) > 0 && !strings.Contains(n.list[0].Text, tc.want) {
			t.Errorf("%s: %+v, want %q", name, n.list, tc.want)
		}
	}
}
