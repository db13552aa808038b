package dispatch

import (
	"testing"
	"time"
)

func TestBackoffCeiling(t *testing.T) {
	t.Parallel()
	b := Backoff{Base: 2 * time.Second, Cap: 15 * time.Minute}
	for n, want := range map[int]time.Duration{1: 2 * time.Second, 2: 4 * time.Second, 3: 8 * time.Second, 10: 15 * time.Minute, 1000: 15 * time.Minute} {
		if got := b.ceiling(n); got != want {
			t.Errorf("retry %d: %s, want %s", n, got, want)
		}
	}
	retry := b.Retry()
	for range 1000 {
		if d := retry.Delay(3); d <= 0 || d > 8*time.Second {
			t.Fatalf("pause %s", d)
		}
	}
}

// Messages of one call that have failed as often wait equally long.
func TestWaitTogether(t *testing.T) {
	t.Parallel()
	retry := sameDelays(Backoff{Max: 3, Base: time.Minute, Cap: time.Hour}.Retry())
	if first := retry.Delay(2); retry.Delay(2) != first || retry.Max != 3 {
		t.Errorf("%s, then %s", first, retry.Delay(2))
	}
}
