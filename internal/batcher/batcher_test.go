package batcher_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"mmsdispatch/internal/batcher"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errOdd = errors.New("odd")

// Each caller gets the result of its own request, whatever the batches are, and
// no batch exceeds the maximum.
func TestDoReturnsEachCallersResult(t *testing.T) {
	t.Parallel()
	const callers = 3 * batcher.MaxBatch
	release := make(chan struct{})
	var first sync.Once
	doubles := batcher.New(func(_ context.Context, requests []int) []batcher.Result[int] {
		first.Do(func() { <-release })
		if len(requests) > batcher.MaxBatch {
			t.Errorf("%d requests in a batch", len(requests))
		}
		results := make([]batcher.Result[int], len(requests))
		for i, n := range requests {
			if results[i].Value = 2 * n; n%2 == 1 {
				results[i].Err = errOdd
			}
		}
		return results
	})
	var all, started sync.WaitGroup
	started.Add(callers)
	for n := range callers {
		all.Go(func() {
			started.Done()
			got, err := doubles.Do(t.Context(), n)
			if got != 2*n || (n%2 == 1) != errors.Is(err, errOdd) {
				t.Errorf("%d: %d, %v", n, got, err)
			}
		})
	}
	started.Wait()
	close(release)
	all.Wait()
}

// A caller whose context ends returns at once, and later requests are sent.
func TestDoReturnsWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	sent := make(chan struct{}, 2)
	slow := batcher.New(func(_ context.Context, requests []int) []batcher.Result[int] {
		sent <- struct{}{}
		<-release
		return batcher.Failed[int](len(requests), errOdd)
	})
	ctx, cancel := context.WithCancel(t.Context())
	returned := make(chan error, 1)
	go func() {
		_, err := slow.Do(ctx, 1)
		returned <- err
	}()
	<-sent
	cancel()
	if err := <-returned; !errors.Is(err, batcher.ErrAbandoned) || !errors.Is(err, context.Canceled) {
		t.Errorf("returned with %v", err)
	}
	close(release)
	if _, err := slow.Do(t.Context(), 2); !errors.Is(err, errOdd) {
		t.Errorf("the next request returned %v", err)
	}
}
