package e2e_test

import (
	"slices"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

func TestConversationDelivers(t *testing.T) {
	t.Parallel()
	const secret = "hmac-secret-of-this-test"
	s := start(t, over(conversation), with("SINCH_WEBHOOK_SECRET", secret), simulatorWith("--secret", secret))
	s.private.add("webhook secret", secret)

	id := s.send(message{"subject": "Your order", "expiresAt": time.Now().Add(time.Hour).Format(time.RFC3339)})
	r := s.awaitStatus(id, "delivered")
	if want := []string{"queued", "sending", "sent", "delivered"}; !slices.Equal(r.way(), want) {
		t.Errorf("went by way of %v, want %v", r.way(), want)
	}
	calls := s.sim.Calls(id)
	if len(calls) != 1 || calls[0].Reference != id+"-1" || r.SinchID == nil || *r.SinchID != calls[0].ID {
		t.Errorf("sinchId %v, Sinch saw %+v", r.SinchID, calls)
	}
	if r.SentAs == nil || *r.SentAs != "MMS" {
		t.Errorf("sent as %v, want MMS", r.SentAs)
	}
	two := s.post(message{"media": []string{mediaURL(), mediaURL()}})
	s.wantProblem(two, 400, "validation_failed")
}

func TestConversationFallsBackToSMS(t *testing.T) {
	t.Parallel()
	s := start(t, over(conversation))
	with, without := numberPool.Ending("9010"), numberPool.Ending("9010")
	allowed := s.send(message{"to": with, "fallbackText": secretText()})
	plain := s.send(message{"to": without})

	r := s.awaitStatus(allowed, "delivered")
	if r.SentAs == nil || *r.SentAs != "SMS" {
		t.Errorf("%s is shown as sent as %v, want SMS", r, r.SentAs)
	}
	switched := func(e entry) bool { return e.Detail == "receipt (SWITCHING_CHANNEL)" && e.Status == "sent" }
	if !slices.ContainsFunc(r.Timeline, switched) {
		t.Errorf("the switch is not on the timeline: %+v", r.Timeline)
	}
	s.wantReason(s.awaitStatus(plain, "undelivered"), "recipient", "RECIPIENT_NOT_REACHABLE")
}

// If the app retains dispatched messages, Sinch can be queried.
func TestConversationIsLookedUp(t *testing.T) {
	t.Parallel()
	s := start(t, over(conversation), with("SINCH_TIMEOUT", "500ms"), simulatorWith("--retention-days", "1"))
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
	s.wantAttempts(s.awaitStatus(resent, "delivered"), 2)
	s.wantAccepted(resent, 1)
}

// Where it keeps nothing, an absent message proves nothing.
func TestConversationWithoutRetentionIsHeld(t *testing.T) {
	t.Parallel()
	s := start(t, over(conversation), with("SINCH_TIMEOUT", "500ms"))
	accepted, lost := numberPool.Next(), numberPool.Next()
	s.sim.ForNumber(accepted, 1, hanging())
	s.sim.ForNumber(lost, 1, "hang_before")
	ids := []string{s.send(message{"to": accepted}), s.send(message{"to": lost})}
	for _, id := range ids {
		s.wantReason(s.awaitStatus(id, "unknown"), "unknown_outcome", "")
	}
	s.await("lookups", harness.Patience, func() (bool, string) { return s.sim.Stats().Lookups >= len(ids), "none" })
	s.whileStable("one call each", time.Second, func() (bool, string) {
		return s.sim.Stats().Calls == len(ids), "Sinch was called again"
	})
}

// A token that expires under way costs no attempt, and one that is not given
// pauses the account.
func TestConversationTokens(t *testing.T) {
	t.Parallel()
	s := start(t, over(conversation))
	s.awaitStatus(s.send(message{}), "delivered")
	s.sim.ExpireTokens()
	s.wantAttempts(s.awaitStatus(s.send(message{}), "delivered"), 1)
	if n := s.sim.Tokens(); n != 2 {
		t.Errorf("%d tokens were requested, want 2", n)
	}
	if n := s.sim.Stats().Calls; n != 3 {
		t.Errorf("%d calls, want 3: one with the old token", n)
	}
}

func TestConversationWithWrongKey(t *testing.T) {
	t.Parallel()
	s := start(t, over(conversation), with("SINCH_KEY_ID", "another-key"))
	r := s.awaitMessage(s.send(message{}), "account trouble", func(r resource) bool { return r.Status == "queued" && r.Reason != nil })
	s.wantReason(r, "account", "invalid_client")
	if n := s.sim.Stats().Calls; n != 0 {
		t.Errorf("%d calls without a token", n)
	}
}
