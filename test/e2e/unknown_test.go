package e2e_test

import (
	"net/http"
	"testing"
	"time"
)

// hanging accepts the message, and never sends a response or a receipt.
func hanging() map[string]any {
	return map[string]any{"answer": "hang", "receipts": map[string]any{"outcome": "none"}}
}

func TestUnknownOutcomeIsNotGuessed(t *testing.T) {
	t.Parallel()
	tests := map[string]any{
		"hang after accept": hanging(),
		"drop after accept": map[string]any{"answer": "drop", "receipts": map[string]any{"outcome": "none"}},
		"reset":             "reset",
		"hang before":       "hang_before",
		"service down":      "503",
		"E503":              "E503",
		"web page":          "html",
		"cut":               map[string]any{"answer": "cut", "receipts": map[string]any{"outcome": "none"}},
		"broken":            map[string]any{"answer": "broken", "receipts": map[string]any{"outcome": "none"}},
	}
	s := start(t, with("SINCH_TIMEOUT", "3s"))
	ids := map[string]string{}
	for name, behavior := range tests {
		to := numberPool.Next()
		s.sim.ForNumber(to, 0, behavior)
		ids[name] = s.send(message{"to": to})
	}
	for name, id := range ids {
		s.on(name, func(s *stack) {
			r := s.awaitStatus(id, "unknown")
			s.wantAttempts(r, 1)
			if r.Reason == nil || r.Reason.Code != "unknown_outcome" {
				s.t.Errorf("%s: want the reason unknown_outcome", r)
			}
		})
	}
	s.whileStable("one call each", 2*time.Second, func() (bool, string) {
		return s.sim.Stats().Calls == len(tests), "Sinch was called again"
	})
}

func TestReceiptResolvesUnknown(t *testing.T) {
	t.Parallel()
	s := start(t, with("SINCH_TIMEOUT", "500ms"))
	to := numberPool.Next()
	s.sim.ForNumber(to, 0, hanging())
	id := s.send(message{"to": to})
	s.awaitStatus(id, "unknown")
	s.want(s.receive(receipt(id, 1, "N102")), http.StatusOK)
	r := s.awaitStatus(id, "delivered")
	if r.Reason != nil || r.SinchID == nil {
		t.Errorf("%s with reason %v and sinchId %v", r, r.Reason, r.SinchID)
	}
	s.wantAccepted(id, 1)
}

func TestUnknownIsReplayedOnlyByForce(t *testing.T) {
	t.Parallel()
	s := start(t, with("SINCH_TIMEOUT", "500ms"), mayDouble())
	to := numberPool.Next()
	s.sim.ForNumber(to, 1, hanging())
	id := s.send(message{"to": to})
	s.awaitStatus(id, "unknown")
	s.wantProblem(s.command(id, "replay", nil), http.StatusConflict, "force_required")
	s.wantProblem(s.command(id, "replay", map[string]any{"force": false}), http.StatusConflict, "force_required")
	s.want(s.command(id, "replay", map[string]any{"force": true}), http.StatusAccepted)
	s.wantAttempts(s.awaitStatus(id, "delivered"), 2)
}

func TestLookupResolvesUnknown(t *testing.T) {
	t.Parallel()
	s := start(t, over(batches), with("SINCH_TIMEOUT", "500ms"))
	accepted, lost := numberPool.Next(), numberPool.Next()
	s.sim.ForNumber(accepted, 1, hanging())
	s.sim.ForNumber(lost, 1, "hang_before")
	found := s.send(message{"to": accepted})
	resent := s.send(message{"to": lost})

	r := s.awaitStatus(found, "sent")
	s.wantAttempts(r, 1)
	if calls := s.sim.Calls(found); r.SinchID == nil || *r.SinchID != calls[0].ID {
		t.Errorf("%s has the sinchId %v, want that of %+v", r, r.SinchID, calls)
	}
	s.wantAccepted(found, 1)

	s.wantAttempts(s.awaitStatus(resent, "delivered"), 2)
	s.wantAccepted(resent, 1)
}

func TestUnknownIsResentByPolicy(t *testing.T) {
	t.Parallel()
	s := start(t, with("SINCH_TIMEOUT", "500ms"), with("UNKNOWN_POLICY", "resend"), with("RECONCILE_AFTER", "500ms"), mayDouble())
	to := numberPool.Next()
	s.sim.ForNumber(to, 1, hanging())
	id := s.send(message{"to": to})
	s.wantAttempts(s.awaitStatus(id, "delivered"), 2)
	s.wantAccepted(id, 2)
}
