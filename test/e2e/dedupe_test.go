package e2e_test

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"

	"mmsdispatch/test/harness"
)

func TestSameRequestIsOneMessage(t *testing.T) {
	t.Parallel()
	s := start(t)
	m := s.fill(message{"clientReference": "order-7"})
	id := s.send(m)

	wantReplay := func(got harness.Answer) {
		t.Helper()
		var r resource
		s.read(s.want(got, http.StatusOK), &r)
		if got.Header.Get("Idempotent-Replayed") != "true" || r.ID != id {
			t.Errorf("got %v %s, want a replay of %s", got.Header, got, id)
		}
	}
	wantReplay(s.post(m))
	s.awaitStatus(id, "delivered")
	wantReplay(s.post(m))

	spelled := maps.Clone(m)
	spelled["to"] = " (" + m["to"].(string)[2:5] + ") " + m["to"].(string)[5:] + " "
	spelled["media"], spelled["priority"] = []string{m["mediaUrl"].(string)}, "normal"
	delete(spelled, "mediaUrl")
	wantReplay(s.post(spelled))

	unnamed := maps.Clone(m)
	delete(unnamed, "clientReference")
	wantReplay(s.post(unnamed, harness.Header{Name: "Idempotency-Key", Value: "order-7"}))

	other := maps.Clone(m)
	other["text"] = secretText()
	s.wantProblem(s.post(other), http.StatusUnprocessableEntity, "client_reference_reused")
	s.wantAccepted(id, 1)

	// Test and live messages do not see each other.
	if sandbox := s.send(m, harness.Bearer(s.testKey)); sandbox == id {
		t.Error("the test key shares the reference of the live key")
	}
	if calls := s.sim.Stats().Calls; calls != 1 {
		t.Errorf("Sinch saw %d calls, want 1", calls)
	}
}

func TestRacingRequestsAreOneMessage(t *testing.T) {
	t.Parallel()
	for _, api := range apis() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := start(t, over(api))
			const callers = 200
			m := s.fill(message{"clientReference": "race"})
			answers := make([]harness.Answer, callers)
			var all sync.WaitGroup
			begin := make(chan struct{})
			for i := range answers {
				all.Go(func() {
					<-begin
					got, err := s.client.Do(context.Background(), http.MethodPost, s.base+"/v1/messages", m, harness.Bearer(s.key))
					if err != nil {
						t.Errorf("POST: %v", err)
					}
					answers[i] = got
				})
			}
			close(begin)
			all.Wait()

			statuses, ids := map[int]int{}, map[string]bool{}
			for _, got := range answers {
				var r resource
				s.read(got, &r)
				statuses[got.Status]++
				ids[r.ID] = true
			}
			if statuses[http.StatusAccepted] != 1 || statuses[http.StatusOK] != callers-1 || len(ids) != 1 {
				t.Fatalf("statuses %v and %d ids, want one 202, %d times 200 and one id", statuses, len(ids), callers-1)
			}
			id := slices.Collect(maps.Keys(ids))[0]
			s.awaitStatus(id, "delivered")
			if calls := s.sim.Calls(id); len(calls) != 1 {
				t.Errorf("Sinch saw %d calls, want 1", len(calls))
			}
		})
	}
}
