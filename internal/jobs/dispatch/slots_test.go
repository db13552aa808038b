package dispatch

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// take takes slots for a tenant without waiting, as many as it gets up to n.
func take(s *slots, tenant string, n int) []*slot {
	var got []*slot
	for range n {
		one, _, _ := s.try(tenant)
		if one == nil {
			break
		}
		got = append(got, one)
	}
	return got
}

// Quick calls take all slots, whatever tenant they are of. Slow ones leave some free
// for other tenants, and half of them once another tenant wants some.
func TestSlowCallsLeaveSlots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(16)
		quick := take(s, "slow", 20)
		if len(quick) != 16 {
			t.Fatalf("a tenant alone has %d slots of 16", len(quick))
		}
		for _, one := range quick[:8] {
			one.release()
		}
		<-time.After(slowCall) // the others take long
		if more := take(s, "slow", 20); len(more) != 6 {
			t.Fatalf("slow calls have %d more slots, want all but 2", len(more))
		}
		first := take(s, "other", 1)
		if len(first) != 1 {
			t.Fatal("no slot is left for another tenant")
		}
		for _, one := range quick[8:] {
			one.release()
		}
		<-time.After(slowCall)
		if more := take(s, "slow", 20); len(more) != 2 {
			t.Fatalf("slow calls have %d slots more than 6, want half of 16", len(more))
		}
		if more := take(s, "other", 20); len(more) != 7 {
			t.Fatalf("the other tenant has %d more slots, want the other half", len(more))
		}
	})
}

// A task waits for a slot as long as its tenant may have one, and goes back to its
// queue after a while; that of a tenant that has its slots goes back at once.
func TestWaitForASlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(2)
		held := take(s, "shop", 2)
		var back *laterError
		if _, err := s.acquire(t.Context(), "other"); !errors.As(err, &back) || back.in != 0 {
			t.Fatalf("no slot becomes free: %v", err)
		}
		time.AfterFunc(time.Second, held[0].release)
		got, err := s.acquire(t.Context(), "other")
		if err != nil {
			t.Fatalf("a slot became free: %v", err)
		}
		begun := time.Now()
		if _, err := s.acquire(t.Context(), "shop"); !errors.As(err, &back) || back.in == 0 || time.Since(begun) > turnedAwayPause {
			t.Fatalf("the tenant has half of the slots: %v after %s", err, time.Since(begun))
		}
		got.release()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.acquire(ended, "shop"); !errors.As(err, &back) {
			t.Fatalf("the task has ended: %v", err)
		}
	})
}

// Tasks that wait for media take some places, half of them for one tenant.
func TestPlacesForMedia(t *testing.T) {
	t.Parallel()
	p := newPlaces(4)
	for i, want := range []bool{true, true, false} {
		if got := p.take("shop"); got != want {
			t.Errorf("place %d of a tenant: %t", i+1, got)
		}
	}
	for i, want := range []bool{true, true, false} {
		if got := p.take("other" + string(rune('0'+i))); got != want {
			t.Errorf("place %d of the others: %t", i+1, got)
		}
	}
	p.leave("shop")
	if !p.take("other") {
		t.Error("a place that was left is not free")
	}
}
