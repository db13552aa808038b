package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

// TestTenantsShareTheBulkLane: a tenant with few waiting messages does not wait for
// all of another one's.
func TestTenantsShareTheBulkLane(t *testing.T) {
	t.Parallel()
	s := start(t, with("SINCH_RATE", "40"))
	other := harness.Bearer(s.otherKey)
	many := s.stream("", s.rows(1500))
	few := s.stream("", s.rows(20), other)
	s.await("the few messages", s.conf.patience, func() (bool, string) {
		b := s.lookUpBatch(few.ID, other)
		return b.Counts["queued"]+b.Counts["sending"] == 0, fmt.Sprintf("%+v", b)
	})
	if b := s.lookUpBatch(many.ID); b.Counts["queued"] < 1000 {
		t.Errorf("the others had to wait: %+v", b)
	}
}

// TestBatchIsNotSentAfterItsTime lets a batch expire while half of it waits for
// the pace.
func TestBatchIsNotSentAfterItsTime(t *testing.T) {
	t.Parallel()
	s := start(t, with("SINCH_RATE", "10"))
	expires := time.Now().Add(5 * time.Second).UTC().Truncate(time.Millisecond)
	b := s.stream("expiresAt="+expires.Format(time.RFC3339Nano), s.rows(100))
	var now batch
	s.await("end of the batch", s.conf.patience, func() (bool, string) {
		now = s.lookUpBatch(b.ID)
		// Undelivered ones expired on their way, at Sinch.
		return now.Counts["delivered"]+now.Counts["undelivered"]+now.Counts["expired"] == 100, fmt.Sprintf("%+v", now)
	})
	if now.Counts["delivered"] == 0 || now.Counts["expired"] == 0 {
		t.Errorf("%+v", now)
	}
	// A call that began in time may arrive later, on a busy machine by any time.
	for id := range s.sim.AcceptedBy("message") {
		for _, e := range s.lookUp(id).Timeline {
			if e.Status == "sending" && !e.At.Before(expires) {
				t.Errorf("%s: a call began at %s, %s after the end", id, e.At, e.At.Sub(expires))
			}
		}
	}
}

// TestCancelRacesTheWorker cancels messages at the moment they are due: each is
// either canceled without a call or delivered by one.
func TestCancelRacesTheWorker(t *testing.T) {
	t.Parallel()
	s := start(t, workers(2))
	due := time.Now().Add(1500 * time.Millisecond).UTC().Truncate(time.Second).Add(time.Second)
	ids := make([]string, 60)
	for i := range ids {
		ids[i] = s.send(message{"sendAt": due.Format(time.RFC3339Nano)})
	}
	answers := make([]harness.Answer, len(ids))
	var callers sync.WaitGroup
	for i, id := range ids {
		callers.Go(func() {
			<-time.After(time.Until(due.Add(time.Duration(i*5-100) * time.Millisecond)))
			answers[i] = s.command(id, "cancel", nil)
		})
	}
	callers.Wait()
	canceled := 0
	for i, id := range ids {
		want, calls := "delivered", 1
		switch answers[i].Status {
		case http.StatusOK:
			want, calls = "canceled", 0
			canceled++
		case http.StatusConflict:
			s.wantProblem(answers[i], http.StatusConflict, "not_cancelable")
		default:
			t.Errorf("cancel: %s", answers[i])
		}
		s.awaitStatus(id, want)
		s.wantAccepted(id, calls)
	}
	t.Logf("%d of %d were canceled in time", canceled, len(ids))
}

// TestFullLaneRefuses: a full lane accepts no message until it was
// worked off; the other lanes do.
func TestFullLaneRefuses(t *testing.T) {
	t.Parallel()
	s := start(t, workers(0), with("QUEUE_LIMIT", "50"), with("TENANT_QUEUE_LIMIT", "50"))
	known := message{"clientReference": "known", "to": numberPool.Next()}
	for range 49 {
		s.send(message{})
	}
	full := s.fill(known)
	id := s.send(full)

	turnedAway := s.post(s.fill(message{}))
	s.wantProblem(turnedAway, http.StatusServiceUnavailable, "backpressure")
	if turnedAway.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if again := s.want(s.post(full), http.StatusOK); again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("a known reference: %s", again)
	}
	s.send(message{"priority": "high"})

	listed := s.call(http.MethodPost, "/v1/batches", json.RawMessage(`{"defaults":{"priority":"normal"},"messages":[`+s.rows(1)[0]+`]}`))
	s.wantProblem(listed, http.StatusServiceUnavailable, "backpressure")
	if b := s.stream("", s.rows(60)); b.Accepted != 50 || b.Rejected != 10 {
		t.Errorf("a stream beyond the limit: %+v", b)
	}

	s.startWorker()
	s.awaitStatus(id, "delivered")
	s.await("room in the lane", s.conf.patience, func() (bool, string) {
		got := s.post(s.fill(message{}))
		return got.Status == http.StatusAccepted, got.String()
	})
}
