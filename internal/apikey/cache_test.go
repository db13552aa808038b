package apikey

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// counting is a store that counts its reads.
type counting struct {
	reads int
	known map[digest]Principal
	err   error
}

func (c *counting) find(_ context.Context, d digest) (Principal, error) {
	c.reads++
	if c.err != nil {
		return Principal{}, c.err
	}
	if p, ok := c.known[d]; ok {
		return p, nil
	}
	return Principal{}, ErrUnknown
}

const someKey = "mms_live_abcdefghijklmnopqrstuvwx"

func TestRevokedKeyEndsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := digestOf(someKey)
		store := &counting{known: map[digest]Principal{d: {Tenant: "shop"}}}
		v := &Verifier{stored: store}
		for range 100 {
			if _, err := v.Verify(t.Context(), someKey); err != nil {
				t.Fatal(err)
			}
		}
		if store.reads != 1 {
			t.Errorf("%d reads for one key", store.reads)
		}
		delete(store.known, d)
		<-time.After(ChangedAfter - time.Millisecond)
		if _, err := v.Verify(t.Context(), someKey); err != nil {
			t.Errorf("before its time: %v", err)
		}
		<-time.After(time.Millisecond)
		if _, err := v.Verify(t.Context(), someKey); !errors.Is(err, ErrUnknown) {
			t.Errorf("after %s: %v, want ErrUnknown", ChangedAfter, err)
		}
	})
}

func TestUnknownKeyIsRememberedForAMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &counting{known: map[digest]Principal{}}
		v := &Verifier{stored: store}
		for range 10 {
			if _, err := v.Verify(t.Context(), someKey); !errors.Is(err, ErrUnknown) {
				t.Fatal(err)
			}
		}
		if store.reads != 1 {
			t.Errorf("%d reads for one wrong key", store.reads)
		}
		store.known[digestOf(someKey)] = Principal{Tenant: "shop"}
		<-time.After(unknownFor)
		if _, err := v.Verify(t.Context(), someKey); err != nil {
			t.Errorf("a key made a moment ago: %v", err)
		}
	})
}

func TestFailureIsNotRemembered(t *testing.T) {
	t.Parallel()
	store := &counting{known: map[digest]Principal{digestOf(someKey): {Tenant: "shop"}}, err: ErrUnavailable}
	v := &Verifier{stored: store}
	if _, err := v.Verify(t.Context(), someKey); !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	store.err = nil
	if _, err := v.Verify(t.Context(), someKey); err != nil {
		t.Errorf("after Redis came back: %v", err)
	}
}

func TestMadeUpKeysTakeLittleMemoryAndPushNobodyOut(t *testing.T) {
	t.Parallel()
	store := &counting{known: map[digest]Principal{digestOf(someKey): {Tenant: "shop"}}}
	v := &Verifier{stored: store}
	if _, err := v.Verify(t.Context(), someKey); err != nil {
		t.Fatal(err)
	}
	for i := range 3 * cacheMax {
		_, _ = v.Verify(t.Context(), fmt.Sprintf("mms_live_%024d", i))
	}
	if n := len(v.cache.unknown); n > cacheMax {
		t.Errorf("%d unknown keys cached, want at most %d", n, cacheMax)
	}
	before := store.reads
	if _, err := v.Verify(t.Context(), someKey); err != nil || store.reads != before {
		t.Errorf("err %v, read again: %v", err, store.reads != before)
	}
}

func TestVerifierIsSafeForManyCallers(t *testing.T) {
	t.Parallel()
	var m cache
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 200 {
				d := digestOf(fmt.Sprint(n % 20))
				m.put(d, Principal{Tenant: "shop"}, i%2 == 0, 0)
				if r, found := m.get(d); found && r.good && r.principal.Tenant != "shop" {
					t.Error("a good answer lost its principal")
				}
			}
		})
	}
	wg.Wait()
}
