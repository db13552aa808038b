package media

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestFewChecksAHost: many media on a host that hangs are asked for a few at a
// time, and those of other hosts do not wait for them.
func TestFewChecksAHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var atOnce atomic.Int64
		hosts := NewHosts(checkFunc(func(ctx context.Context, address string) (Info, error) {
			if address == "https://fast.example.com/" {
				return Info{Size: 1}, nil
			}
			atOnce.Add(1)
			defer atOnce.Add(-1)
			<-ctx.Done()
			return Info{}, &Error{Code: CodeHostError}
		}))
		hang, end := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() { _, _ = hosts.Check(hang, fmt.Sprintf("https://Slow.example.com/%d", i)) })
		}
		synctest.Wait()
		if info, err := hosts.Check(t.Context(), "https://fast.example.com/"); err != nil || info.Size != 1 {
			t.Errorf("another host: %+v, %v", info, err)
		}
		if n := atOnce.Load(); n != checksPerHost {
			t.Errorf("%d checks of a host at once", n)
		}
		if _, err := hosts.Check(t.Context(), "https://slow.example.com/late"); !errors.Is(err, ErrNotChecked) {
			t.Errorf("a check without a turn: %v", err)
		}
		end()
		all.Wait()
	})
}

// TestHostThatDoesNotAnswerIsLeftAlone for a while; then one check tries again.
func TestHostThatDoesNotAnswerIsLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		var verdict error
		hosts := NewHosts(checkFunc(func(context.Context, string) (Info, error) {
			asked.Add(1)
			return Info{}, verdict
		}))
		check := func(wrong error, times int) (err error) {
			verdict = wrong
			for range times {
				_, err = hosts.Check(t.Context(), "https://a.example.com/")
			}
			return err
		}
		for _, answered := range []Code{CodeHostError, CodeNotFound, CodeTooLarge} {
			_ = check(&Error{Code: answered}, 2*hostFailures)
		}
		if n := asked.Swap(0); n != 6*hostFailures {
			t.Errorf("a host that answers was asked %d times", n)
		}
		err := check(&Error{Code: CodeTimeout}, 3*hostFailures)
		if bad, ok := errors.AsType[*Error](err); !ok || bad.Code != CodeUnreachable || asked.Swap(0) != hostFailures {
			t.Errorf("a host that does not answer: %v", err)
		}
		if _, err := hosts.Check(t.Context(), "https://b.example.com/"); asked.Swap(0) != 1 {
			t.Errorf("another host: %v", err)
		}
		<-time.After(hostPause + 1) // of the bubble
		if err := check(nil, 3); err != nil || asked.Load() != 3 {
			t.Errorf("after the pause: %v, asked %d times", err, asked.Load())
		}
	})
}
