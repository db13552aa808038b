package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

// batch is a batch as its routes and the answer to it show it.
type batch struct {
	ID            string
	Status        string
	Total         int
	Counts        map[string]int
	Accepted      int
	Duplicates    int
	Rejected      int
	ETASeconds    *int64
	RatePerSecond *float64
	MaxPerSecond  *float64
}

// stream hands rows over as NDJSON.
func (s *stack) stream(query string, rows []string, headers ...harness.Header) batch {
	s.t.Helper()
	got := s.call(http.MethodPost, "/v1/batches?"+query, strings.Join(rows, "\n"),
		append([]harness.Header{{Name: "Content-Type", Value: "application/x-ndjson"}}, headers...)...)
	if got.Status != http.StatusAccepted && got.Status != http.StatusOK {
		s.t.Fatalf("got %s", got)
	}
	var b batch
	s.read(got, &b)
	return b
}

// rows makes rows with unique numbers and texts.
func (s *stack) rows(n int) []string {
	rows := make([]string, n)
	for i := range rows {
		m := s.fill(message{})
		rows[i] = fmt.Sprintf(`{"to":%q,"text":%q,"mediaUrl":%q}`, m["to"], m["text"], m["mediaUrl"])
	}
	return rows
}

func (s *stack) lookUpBatch(id string, headers ...harness.Header) batch {
	s.t.Helper()
	var b batch
	s.lookAt("/v1/batches/"+id, &b, headers...)
	return b
}

func (s *stack) awaitDone(id string) batch {
	s.t.Helper()
	var b batch
	s.await("end of the batch", s.conf.patience, func() (bool, string) {
		b = s.lookUpBatch(id)
		return b.Status == "done" && b.Counts["sent"] == 0, fmt.Sprintf("%+v", b)
	})
	return b
}

func TestBatchIsSentOnceThoughItIsSentTwice(t *testing.T) {
	t.Parallel()
	s := start(t, workers(2))
	rows := s.rows(60)
	first := s.stream("clientReference=campaign", rows[:40])
	again := s.stream("clientReference=campaign", rows)
	if first.Accepted != 40 || again.ID != first.ID || again.Accepted != 20 || again.Duplicates != 40 {
		t.Fatalf("%+v, then %+v", first, again)
	}
	done := s.awaitDone(first.ID)
	if done.Total != 60 || done.Counts["delivered"] != 60 {
		t.Errorf("%+v", done)
	}
	if accepted := s.sim.Stats().Accepted; accepted != 60 {
		t.Errorf("Sinch accepted %d calls for 60 messages", accepted)
	}
}

// TestHighPassesTheBulkLane: of a long bulk lane only a few calls come before the one of
// an urgent message that is accepted later.
func TestHighPassesTheBulkLane(t *testing.T) {
	t.Parallel()
	const rows, few = 2000, 100
	s := start(t, with("SINCH_RATE", "20"))
	s.stream("", s.rows(rows))
	before := s.sim.Stats().Calls
	id := s.send(message{"priority": "high"})
	s.awaitCalls(id, 1)
	calls := s.sim.AllCalls()
	at := slices.IndexFunc(calls, func(c harness.SinchCall) bool { return c.Message == id })
	if passed := at - before; passed > few {
		t.Errorf("%d calls of %d came before the urgent one, want %d at most", passed, rows, few)
	}
}

func TestCanceledBatchIsNotSent(t *testing.T) {
	t.Parallel()
	s := start(t, with("SINCH_RATE", "5"))
	b := s.stream("", s.rows(200))
	var canceled batch
	s.read(s.want(s.call(http.MethodPost, "/v1/batches/"+b.ID+"/cancel", nil), http.StatusOK), &canceled)
	if canceled.Status != "canceled" {
		t.Fatalf("%+v", canceled)
	}
	s.await("rest of the batch", s.conf.patience, func() (bool, string) {
		now := s.lookUpBatch(b.ID)
		return now.Counts["queued"]+now.Counts["sending"] == 0, fmt.Sprintf("%+v", now)
	})
	accepted := s.sim.Stats().Accepted
	s.whileStable("silence", time.Second, func() (bool, string) {
		now := s.sim.Stats().Accepted
		return now == accepted, fmt.Sprint(now, " calls, before ", accepted)
	})
}
