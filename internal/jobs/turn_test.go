package jobs

import (
	"testing"

	"github.com/bsm/redislock"

	"mmsdispatch/internal/redistest"
)

func TestTurnsOfAProcess(t *testing.T) {
	t.Parallel()
	var all turns
	over, busy := all.take("a")
	if over == nil || busy != nil {
		t.Fatal("the first has to wait")
	}
	if _, busy := all.take("b"); busy != nil {
		t.Error("another group has to wait")
	}
	_, busy = all.take("a")
	if busy == nil {
		t.Fatal("two have the turn at once")
	}
	over()
	over()
	<-busy
	if _, busy := all.take("a"); busy != nil {
		t.Error("the turn is not free again")
	}
}

func TestTurnsOfAllProcesses(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	one, two := turns{locker: redislock.New(rdb)}, turns{locker: redislock.New(rdb)}
	over, free, err := one.takeFromAll(t.Context(), "a")
	if err != nil || !free {
		t.Fatalf("the first has to wait: %v", err)
	}
	if _, free, err := two.takeFromAll(t.Context(), "b"); err != nil || !free {
		t.Errorf("another group has to wait: %v", err)
	}
	if _, free, err := two.takeFromAll(t.Context(), "a"); err != nil || free {
		t.Errorf("two have the turn at once: %v", err)
	}
	over()
	if _, free, err := two.takeFromAll(t.Context(), "a"); err != nil || !free {
		t.Errorf("the turn is not free again: %v", err)
	}
}
