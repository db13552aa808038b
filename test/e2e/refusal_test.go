package e2e_test

import (
	"bytes"
	"testing"

	"mmsdispatch/test/harness"
)

// refused is a behaviour of Sinch and what it makes of a message.
type refused struct {
	name      string
	behavior  any
	status    string
	reason    string
	sinchCode string
	attempts  int
}

func TestSinchRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string][]refused{
		mmsAPI: {
			{"recipient", "E110", "failed", "recipient", "E110", 1},
			{"sender", "E111", "failed", "sender", "E111", 1},
			{"suppressed", "E114", "failed", "suppressed", "E114", 1},
			{"content", "E228", "failed", "content", "E228", 1},
			{"media for good", "E341", "failed", "media", "E341", 1},
			{"media that cannot be copied", "E351", "failed", "media", "E351", 3},
			{"carrier", "E619", "failed", "carrier", "E619", 1},
			{"internal", "E622", "failed", "internal", "E622", 1},
			{"code of tomorrow", "E987", "failed", "internal", "E987", 1},
			{"rejected by the handset", "rejected", "undelivered", "carrier", "E102", 1},
			{"expired at the carrier", "expired", "undelivered", "carrier", "N103", 1},
			{"media found bad later", map[string]any{"receipts": map[string]any{"codes": []string{"E011"}}}, "undelivered", "media", "E011", 1},
		},
		batches: {
			{"recipient", "illegal_number_type", "failed", "recipient", "illegal_number_type", 1},
			{"content", "400", "failed", "content", "syntax_constraint_violation", 1},
			{"internal", "unknown_group", "failed", "internal", "unknown_group", 1},
			{"media found bad later", "media", "undelivered", "media", "414", 1},
			{"rejected by the handset", "rejected", "undelivered", "carrier", "415", 1},
			{"expired at the carrier", "expired", "undelivered", "expired", "406", 1},
		},
		conversation: {
			{"content", "INVALID_ARGUMENT", "failed", "content", "INVALID_ARGUMENT", 1},
			{"not set up", "FAILED_PRECONDITION", "failed", "internal", "FAILED_PRECONDITION", 1},
			{"recipient found bad later", "blocked", "undelivered", "suppressed", "RECIPIENT_NOT_OPTED_IN", 1},
			{"media found bad later", "media", "undelivered", "media", "MEDIA_NOT_REACHABLE", 1},
			{"rejected by the channel", "rejected", "undelivered", "carrier", "CHANNEL_REJECT", 1},
			{"expired at Sinch", "expired", "undelivered", "expired", "MESSAGE_EXPIRED", 1},
		},
	}
	for api, cases := range tests {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := start(t, over(api))
			ids := make([]string, len(cases))
			for i, tt := range cases {
				to := numberPool.Next()
				s.sim.ForNumber(to, 0, tt.behavior)
				ids[i] = s.send(message{"to": to})
			}
			for i, tt := range cases {
				s.on(tt.name, func(s *stack) {
					r := s.awaitStatus(ids[i], tt.status)
					s.wantReason(r, tt.reason, tt.sinchCode)
					s.wantAttempts(r, tt.attempts)
				})
			}
		})
	}
}

func TestThrottledMessageUsesNoTry(t *testing.T) {
	t.Parallel()
	for _, api := range apis() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := start(t, over(api), with("RETRY_MAX", "0"))
			to := numberPool.Next()
			s.sim.ForNumber(to, 2, "throttle")
			id := s.send(message{"to": to})
			s.wantAttempts(s.awaitStatus(id, "delivered"), 3)
			s.wantAccepted(id, 1)
		})
	}
}

func TestRefusedAccountPausesEverything(t *testing.T) {
	t.Parallel()
	for api, answer := range map[string]string{mmsAPI: "E104", batches: "401", conversation: "UNAUTHENTICATED"} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := start(t, over(api), with("RETRY_MAX", "0"), with("SINCH_PAUSE", "1s"))
			s.sim.SetDefault(answer)
			first := s.send(message{})
			r := s.awaitMessage(first, "account trouble", func(r resource) bool {
				return r.Status == "queued" && r.Reason != nil
			})
			code := answer
			if api == batches {
				code = ""
			}
			s.wantReason(r, "account", code)
			ids := []string{first}
			for range 5 {
				ids = append(ids, s.send(message{}))
			}
			before := s.sim.Stats().Calls
			s.await("a probe", harness.Patience, func() (bool, string) { return s.sim.Stats().Calls > before, "no call" })
			if probes := s.sim.Stats().Calls - before; probes > 1 {
				t.Errorf("%d probes at once, want 1", probes)
			}

			s.sim.SetDefault("ok")
			for _, id := range ids {
				s.awaitStatus(id, "delivered")
				s.wantAccepted(id, 1)
			}
		})
	}
}

func TestMessageThatAloneGetsAccountAnswersFails(t *testing.T) {
	t.Parallel()
	s := start(t, with("SINCH_PAUSE", "200ms"))
	to := numberPool.Next()
	s.sim.ForNumber(to, 0, "E107")
	id := s.send(message{"to": to})
	s.awaitMessage(id, "account trouble", func(r resource) bool { return r.Attempts > 0 })
	r := s.awaitMessage(id, "failure", func(r resource) bool {
		s.send(message{}) // others pass all the time
		return r.Status == "failed"
	})
	s.wantReason(r, "account", "E107")
}

// Thirty messages whose content draws account answers alone delay another
// tenant's traffic by two pauses at most, and end.
func TestBadMessagesOfATenantDoNotDelayAnother(t *testing.T) {
	t.Parallel()
	s := start(t, with("SINCH_PAUSE", "1s"))
	var bad []string
	for range 30 {
		to := numberPool.Next()
		s.sim.ForNumber(to, 0, "E107")
		bad = append(bad, s.send(message{"to": to}))
	}
	for open := bad; len(open) > 0; {
		other := s.send(message{}, harness.Bearer(s.otherKey))
		s.awaitStatus(other, "delivered", harness.Bearer(s.otherKey))
		if s.lookUp(open[0]).Status == "failed" {
			open = open[1:]
		}
	}
	for _, id := range bad {
		s.wantReason(s.lookUp(id), "account", "E107")
	}
	if n := bytes.Count(s.workers[0].Log(), []byte("account paused: calls wait")); n < 1 || n > 2 {
		t.Errorf("the account paused %d times, want once or twice", n)
	}
}
