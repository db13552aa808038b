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

// TestFewChecksAHost: few concurrent checks use a host that hangs, and those of other
// hosts do not wait for them.
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
			t.Errorf("a check without a slot: %v", err)
		}
		end()
		all.Wait()
	})
}

// TestHostThatDoesNotAnswerIsNotCalled for a while; then one check tries again.
func TestHostThatDoesNotAnswerIsNotCalled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var requested atomic.Int64
		var verdict error
		hosts := NewHosts(checkFunc(func(context.Context, string) (Info, error) {
			requested.Add(1)
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
		if n := requested.Swap(0); n != 6*hostFailures {
			t.Errorf("a host that answers got %d requests", n)
		}
		err := check(&Error{Code: CodeTimeout}, 3*hostFailures)
		if bad, ok := errors.AsType[*Error](err); !ok || bad.Code != CodeUnreachable || requested.Swap(0) != hostFailures {
			t.Errorf("a host that does not answer: %v", err)
		}
		if _, err := hosts.Check(t.Context(), "https://b.example.com/"); requested.Swap(0) != 1 {
			t.Errorf("another host: %v", err)
		}
		<-time.After(hostPause + 1) // synctest's clock
		if err := check(nil, 3); err != nil || requested.Load() != 3 {
			t.Errorf("after the pause: %v, %d requests", err, requested.Load())
		}
	})
}
