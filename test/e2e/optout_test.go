package e2e_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

const inboundAt = "/webhooks/sinch/inbound"

// sendInbound posts a phone's message to a sender, as the MMS API does.
func (s *stack) sendInbound(phone, sender, word string, at time.Time) {
	s.t.Helper()
	body := map[string]any{
		"origin": "MMS_MO", "code": "N401", "from": phone[1:], "to": sender[1:], "keyword": word,
		"timestamp": at.UTC().Format(time.RFC3339), "content": []any{},
	}
	s.want(s.call(http.MethodPost, inboundAt+"?token="+s.token, body, harness.Header{Name: "Authorization", Value: ""}), http.StatusOK)
}

// wantSuppressed checks that a message failed without a call.
func (s *stack) wantSuppressed(id string) {
	s.t.Helper()
	r := s.awaitStatus(id, "failed")
	s.wantReason(r, "suppressed", "")
	s.wantAttempts(r, 0)
	if calls := s.sim.Calls(id); len(calls) != 0 {
		s.t.Errorf("%s was called for: %+v", r, calls)
	}
}

func optOut(phone string) string { return "/v1/suppressions/" + url.PathEscape(phone) }

func TestStopAndStart(t *testing.T) {
	t.Parallel()
	s := start(t)
	phone, sender, began := numberPool.Next(), s.conf.env["SINCH_NUMBER"], time.Now().Add(-time.Hour)
	s.private.add("phone", phone[2:])
	s.awaitStatus(s.send(message{"to": phone}), "delivered")

	s.sendInbound(phone, sender, "Stop", began)
	s.want(s.call(http.MethodGet, optOut(phone), nil), http.StatusOK)
	id := s.send(message{"to": phone})
	s.wantSuppressed(id)
	if r := s.lookUp(s.send(message{"to": phone})); r.Status != "failed" {
		t.Errorf("%s: the response should have it already", r)
	}
	s.awaitStatus(s.send(message{}), "delivered")                                                                  // others get theirs
	s.awaitStatus(s.send(message{"to": phone}, harness.Bearer(s.testKey)), "delivered", harness.Bearer(s.testKey)) // which no phone gets

	s.sendInbound(phone, sender, "START", began.Add(-time.Minute)) // arrives after the later STOP
	s.wantSuppressed(s.send(message{"to": phone}))
	s.sendInbound(phone, sender, "START", began.Add(time.Minute))
	s.want(s.call(http.MethodGet, optOut(phone), nil), http.StatusNotFound)
	s.awaitStatus(s.send(message{"to": phone}), "delivered")
	s.want(s.command(id, "replay", nil), http.StatusAccepted)
	s.awaitStatus(id, "delivered")
}

// A STOP that comes while a message waits is applied just before the call.
func TestStopWhileAMessageWaits(t *testing.T) {
	t.Parallel()
	s := start(t)
	phone := numberPool.Next()
	id := s.send(message{"to": phone, "sendAt": time.Now().Add(4 * time.Second).UTC().Format(time.RFC3339)})
	s.sendInbound(phone, s.conf.env["SINCH_NUMBER"], "STOP", time.Now())
	s.wantSuppressed(id)
}

func TestOptOutByTheAPI(t *testing.T) {
	t.Parallel()
	s := start(t)
	phone := numberPool.Next()
	s.want(s.call(http.MethodPut, optOut(phone), nil), http.StatusCreated)
	s.wantSuppressed(s.send(message{"to": phone}))
	s.want(s.call(http.MethodDelete, optOut(phone), nil), http.StatusNoContent)
	s.awaitStatus(s.send(message{"to": phone}), "delivered")
}

// What Sinch has on its block list costs one call, and no second one.
func TestBlockedBySinch(t *testing.T) {
	t.Parallel()
	s := start(t)
	phone := numberPool.Next()
	s.sim.ForNumber(phone, 0, "E114")
	first := s.send(message{"to": phone})
	s.wantReason(s.awaitStatus(first, "failed"), "suppressed", "E114")
	if calls := s.sim.Calls(first); len(calls) != 1 {
		t.Errorf("%d calls, want 1", len(calls))
	}
	s.wantSuppressed(s.send(message{"to": phone}))
	var shown struct{ Sender, Source, Reason string }
	s.read(s.want(s.call(http.MethodGet, optOut(phone), nil), http.StatusOK), &shown)
	if shown.Source != "sinch" || shown.Reason != "E114" || shown.Sender != s.conf.env["SINCH_NUMBER"] {
		t.Errorf("shown as %+v", shown)
	}
}

// The magic number answers the same each time.
func TestBlockOfATestKeyIsNotTakenIn(t *testing.T) {
	t.Parallel()
	s := start(t)
	test, phone := harness.Bearer(s.testKey), numberPool.Ending("9002")
	for range 2 {
		s.wantReason(s.awaitStatus(s.send(message{"to": phone}, test), "failed", test), "suppressed", "E114")
	}
	s.want(s.call(http.MethodGet, optOut(phone), nil, test), http.StatusNotFound)
}
