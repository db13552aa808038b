package mediastore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

// countingBlobs counts reads.
type countingBlobs struct {
	Blobs

	reads atomic.Int64
	fails atomic.Bool
}

var errRead = errors.New("disk is gone")

func (c *countingBlobs) Get(ctx context.Context, name string) ([]byte, error) {
	c.reads.Add(1)
	if c.fails.Load() {
		return nil, errRead
	}
	return c.Blobs.Get(ctx, name)
}

func withCache(t *testing.T, maxBytes int64) (*bench, *Cache, *countingBlobs) {
	t.Helper()
	blobs := &countingBlobs{}
	b := setup(t, func(o *Options) { blobs.Blobs, o.Blobs = o.Blobs, blobs })
	return b, NewCache(b.Store, maxBytes), blobs
}

func TestCacheReadsOnce(t *testing.T) {
	t.Parallel()
	b, cache, blobs := withCache(t, 10)
	m := b.put(content("hello"))
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			data, release, err := cache.Read(t.Context(), m)
			if err != nil || string(data) != "hello" {
				t.Errorf("%q, %v", data, err)
				return
			}
			release()
			release()
		})
	}
	all.Wait()
	if n := blobs.reads.Load(); n != 1 {
		t.Errorf("%d reads", n)
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	b, cache, _ := withCache(t, 10)
	one, two, three := b.put(content("11111")), b.put(content("22222")), b.put(content("3"))
	_, releaseOne, err := cache.Read(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	_, releaseTwo, err := cache.Read(t.Context(), two)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := cache.Read(t.Context(), three); !errors.Is(err, ErrBusy) {
		t.Errorf("a third one: %v", err)
	}
	releaseOne()
	_, releaseThree, err := cache.Read(t.Context(), three)
	if err != nil {
		t.Errorf("with room: %v", err)
	}
	releaseTwo()
	releaseThree()
	if cache.bytes > cache.maxBytes {
		t.Errorf("%d bytes", cache.bytes)
	}
}

func TestCacheKeepsNoFailure(t *testing.T) {
	t.Parallel()
	b, cache, blobs := withCache(t, 10)
	m := b.put(content("hello"))
	blobs.fails.Store(true)
	if _, _, err := cache.Read(t.Context(), m); !errors.Is(err, errRead) {
		t.Errorf("%v", err)
	}
	blobs.fails.Store(false)
	_, release, err := cache.Read(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	release()
	if cache.bytes != 5 {
		t.Errorf("%d bytes", cache.bytes)
	}
}
