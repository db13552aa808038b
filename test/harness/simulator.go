package harness

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Simulator is the control API of a running simulator of Sinch.
type Simulator struct {
	*Program

	T      testing.TB
	Base   string // URL
	client *Client
}

// StartSimulator starts the simulator of the built programs on an address and
// waits until it answers.
func StartSimulator(tb testing.TB, client *Client, mmsctl, addr string, args ...string) *Simulator {
	tb.Helper()
	p := Launch(tb, "simulator", nil, mmsctl, append([]string{"simulator", "--addr", addr}, args...)...)
	p.Ready = "http://" + addr + "/sim/stats"
	p.AwaitReady(tb, client)
	return &Simulator{Program: p, T: tb, Base: "http://" + addr, client: client}
}

// SinchCall is a call as the simulator received it.
type SinchCall struct {
	At        time.Time `json:"at"`
	Operation string    `json:"operation"`
	Reference string    `json:"reference"`
	Message   string    `json:"message"`
	Accepted  bool      `json:"accepted"`
	Answer    string    `json:"answer"`
	ID        string    `json:"id"`
}

// SinchStats are Sinch's totals.
type SinchStats struct {
	Calls    int            `json:"calls"`
	Accepted int            `json:"accepted"`
	Lookups  int            `json:"lookups"`
	InFlight int            `json:"inFlight"`
	Messages int            `json:"messages"`
	Doubled  int            `json:"doubled"`
	Reached  int            `json:"reached"`
	Answers  map[string]int `json:"answers"`

	MediaFetches int `json:"mediaFetches"`

	Receipts struct {
		Delivered int `json:"delivered"`
		Retried   int `json:"retried"`
		Dropped   int `json:"dropped"`
		Pending   int `json:"pending"`
	} `json:"receipts"`
}

// Rule is a behaviour for a number of calls, 0 for all: a word such as "E110" or
// "hang", or a behaviour in full.
func Rule(times int, behavior any) map[string]any {
	return map[string]any{"behavior": behavior, "times": times}
}

// ForNumber sets the behaviour of the next calls to a number.
func (s *Simulator) ForNumber(to string, times int, behavior any) {
	s.T.Helper()
	s.Order(http.MethodPut, "/sim/numbers/"+strings.TrimPrefix(to, "+"), Rule(times, behavior))
}

// SetDefault sets the behaviour of every call without a rule of its own.
func (s *Simulator) SetDefault(behavior any) {
	s.T.Helper()
	s.Order(http.MethodPut, "/sim/default", behavior)
}

// Next sets the behaviour of the next calls.
func (s *Simulator) Next(times int, behavior any) {
	s.T.Helper()
	s.Order(http.MethodPost, "/sim/next", Rule(times, behavior))
}

// ClearNext removes the behaviours of next calls that have not been used.
func (s *Simulator) ClearNext() {
	s.T.Helper()
	s.Order(http.MethodDelete, "/sim/next", nil)
}

// ExpireTokens makes every access token that was given out expire.
func (s *Simulator) ExpireTokens() {
	s.T.Helper()
	s.Order(http.MethodDelete, "/sim/tokens", nil)
}

// Tokens is the number of token requests.
func (s *Simulator) Tokens() int {
	s.T.Helper()
	return len(s.Seen(url.Values{"operation": {"token"}}))
}

// Order makes a request of the control API that is answered 204.
func (s *Simulator) Order(method, path string, body any) {
	s.T.Helper()
	text, err := json.Marshal(body) // also a word has to be JSON
	if err != nil {
		s.T.Fatal(err)
	}
	got, err := s.client.Do(context.Background(), method, s.Base+path, string(text))
	if err != nil || got.Status != http.StatusNoContent {
		s.T.Fatalf("simulator: %s %s %s: %s (%v)", method, path, text, got, err)
	}
}

// Calls are the calls for a message that would send it, oldest first.
func (s *Simulator) Calls(id string) []SinchCall {
	s.T.Helper()
	return s.sends(url.Values{"message": {id}})
}

// AllCalls are all calls that would send something, oldest first.
func (s *Simulator) AllCalls() []SinchCall {
	s.T.Helper()
	return s.sends(url.Values{"limit": {"100000"}})
}

func (s *Simulator) sends(filter url.Values) []SinchCall {
	s.T.Helper()
	var sends []SinchCall
	for _, call := range s.Seen(filter) {
		switch call.Operation {
		case "send", "sendmms", "sendsavedmms":
			sends = append(sends, call)
		}
	}
	return sends
}

// Seen are calls of every kind, oldest first.
func (s *Simulator) Seen(filter url.Values) []SinchCall {
	s.T.Helper()
	var view struct {
		Calls []SinchCall `json:"calls"`
	}
	s.Read("/sim/calls?"+filter.Encode(), &view)
	return view.Calls
}

// Stats are Sinch's totals.
func (s *Simulator) Stats() SinchStats {
	s.T.Helper()
	var stats SinchStats
	s.Read("/sim/stats", &stats)
	return stats
}

// Read reads from the control API, in clean-ups too, when the context of the
// test has ended.
func (s *Simulator) Read(path string, into any) {
	s.T.Helper()
	got, err := s.client.Get(context.Background(), s.Base+path)
	if err == nil {
		err = json.Unmarshal(got.Body, into)
	}
	if err != nil {
		s.T.Fatalf("simulator: GET %s: %s (%v)", path, got, err)
	}
}

// AcceptedBy counts the accepted calls by "message", "reference" or "number".
// The counts are complete, however many calls there were.
func (s *Simulator) AcceptedBy(what string) map[string]int {
	s.T.Helper()
	all, after := map[string]int{}, ""
	for {
		var view struct {
			Counts []struct {
				Key   string `json:"key"`
				Calls int    `json:"calls"`
			} `json:"counts"`
			Next string `json:"next"`
		}
		s.Read("/sim/accepted?by="+what+"&limit=10000&after="+url.QueryEscape(after), &view)
		for _, c := range view.Counts {
			all[c.Key] = c.Calls
		}
		if after = view.Next; after == "" {
			return all
		}
	}
}

// Accepted counts the accepted calls of a message.
func (s *Simulator) Accepted(id string) int {
	s.T.Helper()
	n := 0
	for _, call := range s.Calls(id) {
		if call.Accepted {
			n++
		}
	}
	return n
}

// WantAccepted checks how many calls for a message Sinch has accepted, independent
// of the ledger.
func (s *Simulator) WantAccepted(id string, n int) {
	s.T.Helper()
	if got := s.Accepted(id); got != n {
		s.T.Errorf("Sinch accepted %d calls for %s, want %d: %+v", got, id, n, s.Calls(id))
	}
}

// AwaitCalls waits until Sinch has seen n calls for a message.
func (s *Simulator) AwaitCalls(id string, n int) []SinchCall {
	s.T.Helper()
	var calls []SinchCall
	Await(s.T, "calls for "+id, Patience, func() (bool, string) {
		calls = s.Calls(id)
		return len(calls) >= n, ""
	})
	return calls
}
