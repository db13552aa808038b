package jobs

import "testing"

func TestTurns(t *testing.T) {
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
