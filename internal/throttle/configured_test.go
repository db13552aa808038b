package throttle

import (
	"errors"
	"slices"
	"testing"
	"time"

	"mmsdispatch/internal/redistest"
)

// Workers with different settings of SINCH_RATE are noticed, and one that is gone no
// longer counts.
func TestDifferentRatesAreNoticed(t *testing.T) {
	t.Parallel()
	rdb, now := redistest.Start(t).Client(t), time.UnixMilli(1_000_000)
	exchange := func(worker string, rate float64) []float64 {
		t.Helper()
		c := ConfiguredRate{Redis: rdb, Worker: worker, Rate: rate, Now: func() time.Time { return now }}
		rates, err := c.exchange(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return rates
	}
	exchange("a", 10)
	if rates := exchange("b", 10); differing(rates) != nil {
		t.Errorf("equal rates differ: %v", rates)
	}
	exchange("c", 2.5)
	err := CheckConfiguredRates(t.Context(), rdb, "", now)
	if different, ok := errors.AsType[*DifferentRatesError](err); !ok || !slices.Equal(different.Rates, []float64{2.5, 10}) ||
		err.Error() != "SINCH_RATE is not the same on all workers: 2.5, 10" {
		t.Errorf("%v", err)
	}
	now = now.Add(configuredFor + time.Millisecond)
	if rates := exchange("a", 10); !slices.Equal(rates, []float64{10}) {
		t.Errorf("workers that are gone count: %v", rates)
	}
	if n := rdb.HLen(t.Context(), configuredKey("")).Val(); n != 1 {
		t.Errorf("%d workers are kept", n)
	}
}
