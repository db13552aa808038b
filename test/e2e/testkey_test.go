package e2e_test

import (
	"net/http"
	"testing"
)

func TestTestKeyNeverReachesSinch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		digits    string
		status    string
		reason    string
		sinchCode string
	}{
		{"9001", "failed", "recipient", "E110"},
		{"9002", "failed", "suppressed", "E114"},
		{"9003", "failed", "media", "E351"},
		{"9004", "undelivered", "carrier", "E102"},
		{"9005", "undelivered", "carrier", "N103"},
		{"9006", "delivered", "", ""},
		{"9007", "sent", "", ""},
		{"9008", "unknown", "unknown_outcome", ""},
		{"9009", "delivered", "", ""},
		{"9010", "delivered", "", ""},
		{"1234", "delivered", "", ""},
	}
	for _, api := range apis() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := start(t, over(api), with("SINCH_TIMEOUT", "700ms"))
			test := bearer(s.testKey)
			ids := make([]string, len(tests))
			for i, tt := range tests {
				ids[i] = s.send(message{"to": numberEnding(tt.digits)}, test)
			}
			for i, tt := range tests {
				s.on(tt.digits, func(s *stack) {
					r := s.awaitStatus(ids[i], tt.status, test)
					if tt.reason != "" {
						s.wantReason(r, tt.reason, tt.sinchCode)
					} else if r.Reason != nil {
						s.t.Errorf("%s has a reason", r)
					}
					s.want(s.call(http.MethodGet, "/v1/messages/"+ids[i], nil), http.StatusNotFound)
				})
			}
			if calls := s.sim.allCalls(); len(calls) != 0 {
				t.Errorf("Sinch was called: %+v", calls)
			}
		})
	}
}
