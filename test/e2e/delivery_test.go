package e2e_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

// apis are the Sinch APIs that the simulator speaks.
func apis() []string { return []string{mmsAPI, batches} }

func TestMessageIsDelivered(t *testing.T) {
	t.Parallel()
	for _, api := range apis() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := start(t, over(api))
			to := numberPool.Next()
			id := s.send(message{"to": to, "clientReference": "order-1", "metadata": map[string]string{"k": "v"}})
			r := s.awaitStatus(id, "delivered")

			if want := []string{"queued", "sending", "sent", "delivered"}; !slices.Equal(r.way(), want) {
				t.Errorf("went by way of %v, want %v", r.way(), want)
			}
			if r.To != to || r.From != "+12065550100" || *r.ClientReference != "order-1" || r.Metadata["k"] != "v" {
				t.Errorf("shown as %+v", r)
			}
			calls := s.sim.Calls(id)
			if len(calls) != 1 || !calls[0].Accepted || calls[0].Reference != id+"-1" {
				t.Fatalf("Sinch saw %+v, want one accepted call of attempt 1", calls)
			}
			if r.SinchID == nil || *r.SinchID != calls[0].ID {
				t.Errorf("sinchId is %v, Sinch has %s", r.SinchID, calls[0].ID)
			}
			if r.Reason != nil || r.SentAt == nil || r.FinalAt == nil {
				t.Errorf("reason %v, sentAt %v, finalAt %v", r.Reason, r.SentAt, r.FinalAt)
			}
			s.wantAttempts(r, 1)
		})
	}
}

func TestGuidesRoute(t *testing.T) {
	t.Parallel()
	s := start(t)
	type guide struct {
		Message    string   `json:"message"`
		ID         string   `json:"id"`
		TrackingID *string  `json:"trackingId"`
		Status     string   `json:"status"`
		Details    resource `json:"details"`
	}
	m := s.fill(message{"clientReference": "guide-1"})

	var first guide
	s.read(s.want(s.call(http.MethodPost, "/send-mms", m), http.StatusAccepted), &first)
	if first.Message != "MMS request accepted" || first.ID == "" || first.TrackingID != nil ||
		first.Status != "queued" || first.Details.ID != first.ID || first.Details.To != m["to"] {
		t.Errorf("accepted with %+v", first)
	}
	r := s.awaitStatus(first.ID, "delivered")

	var again guide
	got := s.want(s.call(http.MethodPost, "/send-mms", m), http.StatusOK)
	s.read(got, &again)
	if got.Header.Get("Idempotent-Replayed") != "true" || again.ID != first.ID || again.Status != "delivered" {
		t.Errorf("replayed with %s", got)
	}
	if again.TrackingID == nil || *again.TrackingID != *r.SinchID {
		t.Errorf("trackingId is %v, want %s", again.TrackingID, *r.SinchID)
	}
}

func TestMessageIsHeldUntilItsTime(t *testing.T) {
	t.Parallel()
	s := start(t)
	due := time.Now().Add(4 * time.Second).UTC().Truncate(time.Millisecond)
	id := s.send(message{"sendAt": due.Format(time.RFC3339Nano)})
	if r := s.lookUp(id); r.Status != "scheduled" || r.SendAt == nil || !r.SendAt.Equal(due) {
		t.Fatalf("%s with sendAt %v, want scheduled for %s", r, r.SendAt, due)
	}

	r := s.awaitStatus(id, "delivered")
	if want := []string{"scheduled", "queued", "sending", "sent", "delivered"}; !slices.Equal(r.way(), want) {
		t.Errorf("went by way of %v, want %v", r.way(), want)
	}
	call := s.sim.Calls(id)[0]
	if early := due.Sub(call.At); early > 0 {
		t.Errorf("called %s early", early)
	}
}

func TestExpiredMessageIsNotSent(t *testing.T) {
	t.Parallel()
	s := start(t, workers(0))
	expires := time.Now().Add(4 * time.Second)
	id := s.send(message{"expiresAt": expires.Format(time.RFC3339Nano)})
	s.await("expiry", harness.Patience, func() (bool, string) { return time.Now().After(expires), "" })

	s.startWorker()
	r := s.awaitStatus(id, "expired")
	s.wantReason(r, "expired", "")
	if calls := s.sim.Calls(id); len(calls) != 0 {
		t.Errorf("Sinch was called: %+v", calls)
	}
}

func TestCanceledMessageIsNotSent(t *testing.T) {
	t.Parallel()
	s := start(t)
	due := time.Now().Add(4 * time.Second)
	id := s.send(message{"sendAt": due.Format(time.RFC3339Nano)})
	for range 2 { // twice is no error
		var r resource
		s.read(s.want(s.command(id, "cancel", nil), http.StatusOK), &r)
		if r.Status != "canceled" || r.ID != id {
			t.Fatalf("cancel answers %s", r)
		}
	}
	witness := s.send(message{"sendAt": due.Add(time.Second).Format(time.RFC3339Nano)})
	s.awaitStatus(witness, "delivered")
	if calls := s.sim.Calls(id); len(calls) != 0 {
		t.Errorf("Sinch was called: %+v", calls)
	}
	s.wantProblem(s.command(witness, "cancel", nil), http.StatusConflict, "not_cancelable")

	s.want(s.command(id, "replay", nil), http.StatusAccepted)
	s.awaitStatus(id, "delivered")
}

func TestFailedMessageIsReplayed(t *testing.T) {
	t.Parallel()
	s := start(t)
	to := numberPool.Next()
	s.sim.ForNumber(to, 1, "E110")
	id := s.send(message{"to": to})
	s.wantReason(s.awaitStatus(id, "failed"), "recipient", "E110")

	var r resource
	s.read(s.want(s.command(id, "replay", nil), http.StatusAccepted), &r)
	if r.ID != id || r.Reason != nil {
		t.Errorf("replay answers %s", r)
	}
	s.wantAttempts(s.awaitStatus(id, "delivered"), 2)
	s.wantAccepted(id, 1)
	s.wantProblem(s.command(id, "replay", nil), http.StatusConflict, "not_replayable")
}

func TestLanesAllDeliver(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, lane := range []string{"high", "normal", "bulk"} {
		id := s.send(message{"priority": lane})
		s.awaitStatus(id, "delivered")
	}
}
