package sinchtest

import (
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
)

// Case is a response of Sinch and the outcome of the call, without its Detail.
type Case struct {
	Answer Answer
	Want   sinch.Outcome
}

// RunAnswers makes one call for each case, with a provider of its server. The
// call must be made once and have the wanted outcome, with a detail unless it was
// accepted and without any digits of the recipient, and the message must have the
// state of that outcome.
func RunAnswers(t *testing.T, provider func(testing.TB, *Server) sinch.Provider, m sinch.Message, cases map[string]Case) {
	t.Helper()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Serve(t, tc.Answer)
			got := provider(t, s).Send(t.Context(), m)
			if n := len(s.Requests()); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
			checkMessage(t, m, got)
			if (got.Detail == "") != (got.Kind == sinch.Accepted) || strings.Contains(got.Detail, areaOf(m.To)) {
				t.Errorf("detail %q of %s", got.Detail, got.Kind)
			}
			got.Detail = ""
			if got != tc.Want {
				t.Errorf("got %+v, want %+v", got, tc.Want)
			}
		})
	}
}

// areaOf is the country and area code of a North American number, E.164.
func areaOf(number string) string { return number[len("+"):len("+1206")] }

// checkMessage checks the record of the message after an outcome of its first
// attempt.
func checkMessage(t *testing.T, call sinch.Message, o sinch.Outcome) {
	t.Helper()
	now := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	m := message.New("msg_1a2b", message.Scope{}, message.Content{To: call.To}, call.From, now)
	retry := message.Retry{Max: 8, Delay: func(int) time.Duration { return time.Minute }}
	if err := m.Begin(0, message.Attempt{}, now); err != nil {
		t.Fatal(err)
	}
	if err := m.Conclude(1, o, retry, now); err != nil {
		t.Fatal(err)
	}
	want, counted := map[sinch.OutcomeKind]message.Status{
		sinch.Accepted:  message.StatusSent,
		sinch.Unknown:   message.StatusUnknown,
		sinch.Refused:   message.StatusFailed,
		sinch.NotSent:   message.StatusQueued,
		sinch.Throttled: message.StatusQueued,
		sinch.Account:   message.StatusQueued,
		sinch.Gone:      message.StatusQueued,
		sinch.NotReady:  message.StatusQueued,
	}[o.Kind], o.Kind == sinch.NotSent
	if m.Status != want || m.SinchID != o.SinchID || m.Attempts != 1 || (m.Tries == 1) != counted {
		t.Errorf("after %s the message is %s, with Sinch's id %q, after %d attempts and %d tries; want %s",
			o.Kind, m.Status, m.SinchID, m.Attempts, m.Tries, want)
	}
	switch {
	case o.Kind == sinch.Accepted:
		if m.Reason != nil {
			t.Errorf("an accepted message has the reason %+v", m.Reason)
		}
	case m.Reason == nil, m.Reason.Code != o.Code, m.Reason.SinchCode != o.SinchCode:
		t.Errorf("the message has the reason %+v, want %s %q", m.Reason, o.Code, o.SinchCode)
	}
}
