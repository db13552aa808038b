package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// simulator is the Sinch of a stack: a process, and its control API.
type simulator struct {
	*process

	t      *testing.T
	client *http.Client
	base   string
}

// sinchCall is a call as Sinch saw it.
type sinchCall struct {
	At        time.Time `json:"at"`
	Operation string    `json:"operation"`
	Reference string    `json:"reference"`
	Message   string    `json:"message"`
	Accepted  bool      `json:"accepted"`
	Answer    string    `json:"answer"`
	ID        string    `json:"id"`
}

// sinchStats are Sinch's totals.
type sinchStats struct {
	Calls    int `json:"calls"`
	Accepted int `json:"accepted"`
	Lookups  int `json:"lookups"`
	InFlight int `json:"inFlight"`
	Messages int `json:"messages"`
	Doubled  int `json:"doubled"`

	MediaFetches int `json:"mediaFetches"`

	Receipts struct {
		Delivered int `json:"delivered"`
		Retried   int `json:"retried"`
		Dropped   int `json:"dropped"`
		Pending   int `json:"pending"`
	} `json:"receipts"`
}

// startSimulator starts a simulator whose receipts go to the api of the stack.
func startSimulator(s *stack) *simulator {
	s.t.Helper()
	addr := address(freePorts.take(s.t))
	args := append([]string{
		"simulator", "--addr", addr, "--receipts-url", s.base + receiptAt + "?token=" + s.token,
		"--api-key", s.sinchKey, "--token", s.sinchKey,
		"--project", projectID, "--app", appID, "--key-id", keyID, "--key-secret", s.sinchKey,
		// Receipts that met a 503 come again within the patience of a test.
		"--mms-retry-after", "1s", "--batches-retry-after", "500ms", "--conversation-retry-after", "500ms",
	}, s.conf.simulator...)
	sim := &simulator{
		process: launch(s.t, "simulator", nil, "mmsctl", args...),
		t:       s.t, client: s.client, base: "http://" + addr,
	}
	s.awaitOK(sim.process, sim.base+"/sim/stats")
	return sim
}

// forNumber sets what meets the next times calls to a number, 0 for all: a word
// such as "E110" or "hang", or a behaviour in full.
func (s *simulator) forNumber(to string, times int, behavior any) {
	s.t.Helper()
	s.order(http.MethodPut, "/sim/numbers/"+strings.TrimPrefix(to, "+"), rule(times, behavior))
}

// setDefault sets what meets every call without a rule of its own.
func (s *simulator) setDefault(behavior any) {
	s.t.Helper()
	s.order(http.MethodPut, "/sim/default", behavior)
}

// expireTokens makes every access token that was given out expire.
func (s *simulator) expireTokens() {
	s.t.Helper()
	s.order(http.MethodDelete, "/sim/tokens", nil)
}

// tokens is how many times a token was asked for.
func (s *simulator) tokens() int {
	s.t.Helper()
	return len(s.seen(url.Values{"operation": {"token"}}))
}

func rule(times int, behavior any) map[string]any {
	return map[string]any{"behavior": behavior, "times": times}
}

func (s *simulator) order(method, path string, body any) {
	s.t.Helper()
	text, err := json.Marshal(body) // also a word has to be JSON
	if err != nil {
		s.t.Fatal(err)
	}
	got, err := exchange(s.t.Context(), s.client, method, s.base+path, string(text))
	if err != nil || got.status != http.StatusNoContent {
		s.t.Fatalf("simulator: %s %s %s: %s (%v)", method, path, text, got, err)
	}
}

// calls are the calls for a message that would send it, oldest first.
func (s *simulator) calls(id string) []sinchCall {
	s.t.Helper()
	return s.find(url.Values{"message": {id}})
}

// allCalls are all calls that would send something, oldest first.
func (s *simulator) allCalls() []sinchCall {
	s.t.Helper()
	return s.find(url.Values{"limit": {"100000"}})
}

func (s *simulator) find(filter url.Values) []sinchCall {
	s.t.Helper()
	var sends []sinchCall
	for _, call := range s.seen(filter) {
		switch call.Operation {
		case "send", "sendmms", "sendsavedmms":
			sends = append(sends, call)
		}
	}
	return sends
}

// seen are calls of every kind, oldest first.
func (s *simulator) seen(filter url.Values) []sinchCall {
	s.t.Helper()
	var view struct {
		Calls []sinchCall `json:"calls"`
	}
	s.read("/sim/calls?"+filter.Encode(), &view)
	return view.Calls
}

func (s *simulator) stats() sinchStats {
	s.t.Helper()
	var stats sinchStats
	s.read("/sim/stats", &stats)
	return stats
}

// read works in clean-ups too, when the context of the test has ended.
func (s *simulator) read(path string, into any) {
	s.t.Helper()
	got, err := exchange(context.Background(), s.client, http.MethodGet, s.base+path, nil)
	if err == nil {
		err = json.Unmarshal(got.body, into)
	}
	if err != nil {
		s.t.Fatalf("simulator: GET %s: %s (%v)", path, got, err)
	}
}

// accepted is how many calls for a message Sinch has accepted, whatever the
// worker believes.
func (s *stack) accepted(id string) int {
	s.t.Helper()
	n := 0
	for _, call := range s.sim.calls(id) {
		if call.Accepted {
			n++
		}
	}
	return n
}

func (s *stack) wantAccepted(id string, n int) {
	s.t.Helper()
	if got := s.accepted(id); got != n {
		s.t.Errorf("Sinch accepted %d calls for %s, want %d: %+v", got, id, n, s.sim.calls(id))
	}
}

// awaitCalls waits until Sinch has seen n calls for a message.
func (s *stack) awaitCalls(id string, n int) []sinchCall {
	s.t.Helper()
	var calls []sinchCall
	s.await("calls for "+id, patience, func() (bool, string) {
		calls = s.sim.calls(id)
		return len(calls) >= n, s.lookUp(id).String()
	})
	return calls
}
