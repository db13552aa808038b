package httpapi

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestATenantHasAShareOfTheBudget: one tenant leaves room for the others, and
// releases the memory it was granted.
func TestATenantHasAShareOfTheBudget(t *testing.T) {
	t.Parallel()
	const size = 1000
	b := newBudget(size)
	first, second, other := b.grant("a"), b.grant("a"), b.grant("b")
	if !first.tryGrow(size/2) || second.tryGrow(1) || !other.tryGrow(size/2) {
		t.Fatalf("reserved %d, %d and %d", first.reserved, second.reserved, other.reserved)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := second.grow(ended, 1); asProblem(err).Code != codeBackpressure {
		t.Errorf("beyond the share: %v", err)
	}
	waiting := make(chan error, 1)
	go func() { waiting <- second.grow(t.Context(), size/2) }()
	first.release()
	first.release()
	if err := <-waiting; err != nil || first.reserved != 0 || second.reserved != size/2 {
		t.Errorf("reserved %d and %d, %v", first.reserved, second.reserved, err)
	}
	new(grant).release()
}

// TestEveryBodyFitsTheBudget: the largest body can be granted to one tenant.
func TestEveryBodyFitsTheBudget(t *testing.T) {
	t.Parallel()
	if share := int64(bodiesBudget / 2); batchBodyMax > share {
		t.Errorf("a body of %d bytes is beyond the share of %d", batchBodyMax, share)
	}
	if share := int64(workBudget / 2); bodyCost(batchBodyMax) > share {
		t.Errorf("the work on a body takes %d bytes, the share is %d", bodyCost(batchBodyMax), share)
	}
}

// TestASlotRestsForItsTenantOnly: what is released after a while is free for other
// tenants at once.
func TestASlotRestsForItsTenantOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(2)
		first, again, other, third := b.grant("a"), b.grant("a"), b.grant("b"), b.grant("c")
		if !first.tryGrow(1) || !other.tryGrow(1) {
			t.Fatal("the budget is used up")
		}
		first.releaseAfter(time.Second)
		if again.tryGrow(1) || !third.tryGrow(1) {
			t.Error("the slot is with its tenant, or not with the others")
		}
		third.release()
		time.Sleep(time.Second)
		synctest.Wait()
		if !again.tryGrow(1) {
			t.Error("the tenant does not get its slot back")
		}
	})
}
