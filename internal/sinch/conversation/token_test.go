package conversation_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/conversation"
)

// bearers are the tokens that calls were made with.
func (s *server) bearers() []string {
	var all []string
	for _, req := range s.Requests() {
		_, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
		all = append(all, token)
	}
	return all
}

// All callers share one token, and one renewal of it.
func TestTokenIsShared(t *testing.T) {
	t.Parallel()
	s := serve(t, answer{Status: http.StatusOK, Body: accepted})
	p := s.provider(t, conversation.Options{})
	var callers sync.WaitGroup
	for range 50 {
		callers.Go(func() {
			if got := p.Send(t.Context(), photo()); got.Kind != sinch.Accepted {
				t.Errorf("%+v", got)
			}
		})
	}
	callers.Wait()
	if n := len(s.RequestsTo(tokenPath)); n != 1 {
		t.Errorf("%d tokens were requested, want 1", n)
	}
}

// A token is renewed before it expires, and no call waits for that.
func TestTokenIsRenewed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		seconds int
		at      time.Duration // of the second call
		renewed bool
		waits   bool // the second call needs the new token
	}{
		"fresh":                 {3600, time.Minute, false, false},
		"a minute and a bit":    {3600, 59*time.Minute - time.Second, false, false},
		"the last minute":       {3600, 59 * time.Minute, true, false},
		"over":                  {3600, time.Hour, true, true},
		"short life":            {8, 5 * time.Second, false, false},
		"short life, its end":   {8, 6 * time.Second, true, false},
		"no life named":         {0, 3 * time.Minute, false, false},
		"no life named, at end": {0, 5 * time.Minute, true, true},
		"absurd life":           {1 << 40, 8 * 24 * time.Hour, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, answer{Status: http.StatusOK, Body: accepted})
			s.On(tokenPath, aToken("token-1", tc.seconds), aToken("token-2", 3600))
			var mu sync.Mutex
			clock := now
			p := s.provider(t, conversation.Options{}).At(func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				return clock
			})
			p.Send(t.Context(), photo())
			mu.Lock()
			clock = clock.Add(tc.at)
			mu.Unlock()
			p.Send(t.Context(), photo())
			want := "token-1"
			if tc.waits {
				want = "token-2"
			}
			if got := s.bearers(); len(got) != 2 || got[0] != "token-1" || got[1] != want {
				t.Errorf("called with %v, want token-1 and %s", got, want)
			}
			if tc.renewed {
				eventually(t, func() bool { return len(s.RequestsTo(tokenPath)) == 2 })
			} else if n := len(s.RequestsTo(tokenPath)); n != 1 {
				t.Errorf("%d tokens were requested, want 1", n)
			}
		})
	}
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.After(time.Minute); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("never happened")
		}
	}
}

// Sinch did not process a call with an expired token, so it is made once more. Any
// other 401 is an account problem, and the next call uses a new token.
func TestTokenIsRefused(t *testing.T) {
	t.Parallel()
	expired := answer{Status: 401, Header: http.Header{"Www-Authenticate": {`Bearer error="invalid_token", error_description="Token Expired"`}}}
	invalid := answer{Status: 401, Header: http.Header{"Www-Authenticate": {`Bearer error="invalid_token"`}}}
	ok := answer{Status: 200, Body: accepted}
	for name, tc := range map[string]struct {
		answers []answer
		want    []sinch.OutcomeKind // of calls in a row
		bearers string
	}{
		"expired":                {[]answer{expired, ok}, []sinch.OutcomeKind{sinch.Accepted, sinch.Accepted}, "token-1,token-2,token-2"},
		"expired again":          {[]answer{expired, expired, ok}, []sinch.OutcomeKind{sinch.Account, sinch.Accepted}, "token-1,token-2,token-3"},
		"expired, then unknown":  {[]answer{expired, {Status: 503}}, []sinch.OutcomeKind{sinch.Unknown}, "token-1,token-2"},
		"expired, then refused":  {[]answer{expired, grpc(400, "INVALID_ARGUMENT")}, []sinch.OutcomeKind{sinch.Refused}, "token-1,token-2"},
		"invalid":                {[]answer{invalid, ok}, []sinch.OutcomeKind{sinch.Account, sinch.Accepted}, "token-1,token-2"},
		"without a reason given": {[]answer{{Status: 401}, ok}, []sinch.OutcomeKind{sinch.Account, sinch.Accepted}, "token-1,token-2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tc.answers...)
			s.On(tokenPath, aToken("token-1", 3600), aToken("token-2", 3600), aToken("token-3", 3600))
			p := s.provider(t, conversation.Options{})
			for i, want := range tc.want {
				if got := p.Send(t.Context(), photo()); got.Kind != want {
					t.Errorf("call %d: %+v, want %s", i+1, got, want)
				}
			}
			if got := strings.Join(s.bearers(), ","); got != tc.bearers {
				t.Errorf("called with %s, want %s", got, tc.bearers)
			}
		})
	}
}

// Without a token nothing is sent.
func TestNoToken(t *testing.T) {
	t.Parallel()
	const oauth = `{"error":"invalid_client","error_description":"key-secret is wrong"}`
	account := func(code string) sinch.Outcome {
		return sinch.Outcome{Kind: sinch.Account, Code: sinch.ReasonAccount, SinchCode: code}
	}
	notSent := sinch.Outcome{Kind: sinch.NotSent, Code: sinch.ReasonInternal}
	sent := sinch.Outcome{Kind: sinch.Accepted, SinchID: "01EQBC1A3BEK731GY4YXEN0C2R"}
	for name, tc := range map[string]struct {
		answers []answer
		want    sinch.Outcome // without its detail
		calls   int
	}{
		"bad request":          {[]answer{{Status: 400, Body: oauth}}, account("invalid_client"), 1},
		"unauthorized":         {[]answer{{Status: 401, Body: oauth}}, account("invalid_client"), 1},
		"forbidden":            {[]answer{{Status: 403}}, account(""), 1},
		"wrong address":        {[]answer{{Status: 404, Body: "<html>"}}, account(""), 1},
		"too fast":             {[]answer{{Status: 429}}, notSent, 4},
		"too fast, then not":   {[]answer{{Status: 429}, {Status: 429}, {Status: 429}, aToken("t", 3600)}, sent, 4},
		"unavailable":          {[]answer{{Status: 503}}, notSent, 4},
		"unavailable, then up": {[]answer{{Status: 503}, aToken("t", 3600)}, sent, 2},
		"moved":                {[]answer{{Status: 302, Header: http.Header{"Location": {"/"}}}}, notSent, 1},
		"HTML":                 {[]answer{{Status: 200, Body: "<html>"}}, notSent, 4},
		"no token":             {[]answer{{Status: 200, Body: `{"token_type":"bearer"}`}}, notSent, 4},
		"token of two lines":   {[]answer{{Status: 200, Body: `{"access_token":"a\r\nX-Y: z"}`}}, notSent, 4},
		"odd token":            {[]answer{{Status: 200, Body: `{"access_token":{}}`}}, notSent, 4},
		"odd life":             {[]answer{{Status: 200, Body: `{"access_token":"t","expires_in":"soon"}`}}, sent, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, answer{Status: http.StatusOK, Body: accepted})
			s.On(tokenPath, tc.answers...)
			got := s.provider(t, conversation.Options{}).Send(t.Context(), photo())
			if (got.Detail == "") != (got.Kind == sinch.Accepted) || strings.Contains(got.Detail, "key-secret") {
				t.Errorf("detail %q of %s", got.Detail, got.Kind)
			}
			got.Detail = ""
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			if n := len(s.RequestsTo(tokenPath)); n != tc.calls {
				t.Errorf("%d requests, want %d", n, tc.calls)
			}
			if n := len(s.Requests()); (n != 0) != (tc.want.Kind == sinch.Accepted) {
				t.Errorf("%d calls", n)
			}
		})
	}
}

// The pauses are those of Sinch's SDK: random, up to 1 s, 4 s and 16 s.
func TestTokenBackoff(t *testing.T) {
	t.Parallel()
	s := serve(t, answer{Status: http.StatusOK, Body: accepted})
	s.On(tokenPath, answer{Status: 429})
	var pauses []time.Duration
	p := s.provider(t, conversation.Options{}).Pausing(func(_ context.Context, d time.Duration) { pauses = append(pauses, d) })
	p.Send(t.Context(), photo())
	if len(pauses) != 3 {
		t.Fatalf("pauses %v, want 3", pauses)
	}
	for i, most := range []time.Duration{time.Second, 4 * time.Second, 16 * time.Second} {
		if pauses[i] < 0 || pauses[i] > most {
			t.Errorf("pause %d is %s, want at most %s", i+1, pauses[i], most)
		}
	}
}

// A caller waits for a token until its deadline at most; the renewal continues for
// the next one.
func TestTokenIsNotWaitedForAnyLonger(t *testing.T) {
	t.Parallel()
	s := serve(t, answer{Status: http.StatusOK, Body: accepted})
	s.On(tokenPath, answer{Status: 429}, aToken("token-1", 3600))
	release := make(chan struct{})
	p := s.provider(t, conversation.Options{}).Pausing(func(context.Context, time.Duration) { <-release })
	hasty := photo()
	hasty.Deadline = time.Now().Add(50 * time.Millisecond)
	got := p.Send(t.Context(), hasty)
	if got.Kind != sinch.NotSent || len(s.Requests()) != 0 {
		t.Errorf("%+v after %d calls", got, len(s.Requests()))
	}
	close(release)
	if got := p.Send(t.Context(), photo()); got.Kind != sinch.Accepted {
		t.Errorf("%+v", got)
	}
	if n := len(s.RequestsTo(tokenPath)); n != 2 {
		t.Errorf("%d tokens were requested, want 2", n)
	}
}
