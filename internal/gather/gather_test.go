package gather_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"mmsdispatch/internal/gather"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errOdd = errors.New("odd")

// Each caller has the answer to its own question, however they are grouped, and
// no group is larger than it may be.
func TestAskAnswersEach(t *testing.T) {
	t.Parallel()
	const callers = 3 * gather.Max
	held := make(chan struct{})
	var first sync.Once
	doubles := gather.New(func(_ context.Context, some []int) []gather.Answer[int] {
		first.Do(func() { <-held })
		if len(some) > gather.Max {
			t.Errorf("%d questions at once", len(some))
		}
		answers := make([]gather.Answer[int], len(some))
		for i, n := range some {
			if answers[i].Value = 2 * n; n%2 == 1 {
				answers[i].Err = errOdd
			}
		}
		return answers
	})
	var all, started sync.WaitGroup
	started.Add(callers)
	for n := range callers {
		all.Go(func() {
			started.Done()
			got, err := doubles.Ask(t.Context(), n)
			if got != 2*n || (n%2 == 1) != errors.Is(err, errOdd) {
				t.Errorf("%d: %d, %v", n, got, err)
			}
		})
	}
	started.Wait()
	close(held)
	all.Wait()
}

// Whoever leaves early does not hold up the others.
func TestAskLeaves(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	asked := make(chan struct{}, 2)
	slow := gather.New(func(_ context.Context, some []int) []gather.Answer[int] {
		asked <- struct{}{}
		<-held
		return gather.Failed[int](len(some), errOdd)
	})
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := slow.Ask(ctx, 1)
		left <- err
	}()
	<-asked
	cancel()
	if err := <-left; !errors.Is(err, gather.ErrLeft) || !errors.Is(err, context.Canceled) {
		t.Errorf("left with %v", err)
	}
	close(held)
	if _, err := slow.Ask(t.Context(), 2); !errors.Is(err, errOdd) {
		t.Errorf("the next one got %v", err)
	}
}
