package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

func TestReceiptsInEveryOrder(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		receipts map[string]any
		status   string
	}{
		{"before the answer", map[string]any{"early": true}, "delivered"},
		{"twice", map[string]any{"duplicate": true}, "delivered"},
		{"last one first", map[string]any{"reorder": true}, "delivered"},
		{"all of it", map[string]any{"early": true, "duplicate": true, "reorder": true}, "delivered"},
		{"rejection first", map[string]any{"outcome": "rejected", "reorder": true}, "undelivered"},
		{"never", map[string]any{"outcome": "none"}, "sent"},
		{"only that it was sent", map[string]any{"outcome": "sent"}, "sent"},
	}
	for _, api := range apis() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := start(t, over(api))
			ids := make([]string, len(tests))
			for i, tt := range tests {
				to := numberPool.Next()
				s.sim.ForNumber(to, 0, map[string]any{"receipts": tt.receipts})
				ids[i] = s.send(message{"to": to})
			}
			for i, tt := range tests {
				s.on(tt.name, func(s *stack) { s.awaitStatus(ids[i], tt.status) })
			}
			s.await("all receipts", harness.Patience, func() (bool, string) {
				return s.sim.Stats().Receipts.Pending == 0, "some are pending"
			})
			for i, tt := range tests { // and nothing has moved it since
				s.on(tt.name, func(s *stack) {
					s.wantAttempts(s.awaitStatus(ids[i], tt.status), 1)
					s.wantAccepted(ids[i], 1)
				})
			}
			if stats := s.sim.Stats().Receipts; stats.Retried+stats.Dropped != 0 {
				t.Errorf("receipts were not accepted at once: %+v", stats)
			}
		})
	}
}

func TestArrivesAsSMS(t *testing.T) {
	t.Parallel()
	s := start(t)
	to := numberPool.Next()
	s.sim.ForNumber(to, 0, "sms")
	id := s.send(message{"to": to, "fallbackText": secretText()})
	if r := s.awaitStatus(id, "delivered"); r.SentAs == nil || *r.SentAs != "SMS" {
		t.Errorf("%s is shown as sent as %v, want SMS", r, r.SentAs)
	}
}

func TestReceiptsAreLetInByTheirToken(t *testing.T) {
	t.Parallel()
	s := start(t)
	to := numberPool.Next()
	s.sim.ForNumber(to, 0, "none")
	id := s.send(message{"to": to})
	s.awaitStatus(id, "sent")

	anonymous := harness.Header{Name: "Authorization", Value: ""}
	delivered := receipt(id, 1, "N102")
	for _, query := range []string{"", "?token=", "?token=wrong", "?token=" + s.token + "x", "?Token=" + s.token} {
		s.want(s.call(http.MethodPost, receiptAt+query, delivered, anonymous), http.StatusUnauthorized)
	}
	s.want(s.call(http.MethodPost, receiptAt+"?token="+s.token, "{", anonymous), http.StatusBadRequest)
	if r := s.lookUp(id); r.Status != "sent" {
		t.Fatalf("a receipt without credentials acted: %s", r)
	}

	unknown := "msg_1" + "00000000000000000000000000" + "00000000"
	s.want(s.receive(receipt(unknown, 1, "N102")), http.StatusOK)
	s.want(s.receive(receipt("another", 1, "N102")), http.StatusOK)
	s.want(s.receive(receipt(id, 1, "N987")), http.StatusOK)
	s.want(s.receive(delivered), http.StatusOK)
	s.awaitStatus(id, "delivered")
	s.want(s.receive(delivered), http.StatusOK)
	for _, weaker := range []string{"N101", "E102", "N103"} {
		s.want(s.receive(receipt(id, 1, weaker)), http.StatusOK)
	}
	s.whileStable("delivered", 300*time.Millisecond, func() (bool, string) {
		r := s.lookUp(id)
		return r.Status == "delivered", r.String()
	})
}

func TestSignedReceipts(t *testing.T) {
	t.Parallel()
	const secret = "hmac-secret-of-this-test"
	s := start(t, over(batches), with("SINCH_WEBHOOK_SECRET", secret), simulatorWith("--secret", secret))
	s.private.add("webhook secret", secret)
	id := s.send(message{})
	s.awaitStatus(id, "delivered")

	silent := numberPool.Next()
	s.sim.ForNumber(silent, 0, "none")
	id = s.send(message{"to": silent})
	r := s.awaitStatus(id, "sent")
	unsigned := map[string]any{
		"type": "recipient_delivery_report_mms", "batch_id": *r.SinchID, "recipient": silent[1:], "code": 0,
		"status": "Delivered", "at": "2026-04-24T18:34:00.000Z", "client_reference": id + "-1",
	}
	s.want(s.receive(unsigned), http.StatusUnauthorized)
	if r := s.lookUp(id); r.Status != "sent" {
		t.Errorf("a receipt without a signature acted: %s", r)
	}
}
