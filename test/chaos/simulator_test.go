package chaos_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// simulator is the Sinch of a stack: a process, and its control API, which is
// asked past every line that can fail.
type simulator struct {
	*program

	stack *stack
	addr  string
}

func startSimulator(s *stack) *simulator {
	s.t.Helper()
	sim := &simulator{stack: s, addr: freePorts.take(s.t)}
	sim.program = newProgram(s.t, "simulator", nil, "mmsctl", "simulator", "--addr", sim.addr,
		"--receipts-url", "http://"+s.front.addr()+receiptAt+"?token="+s.token,
		"--mms-retry-after", "1s", "--batches-retry-after", "500ms", "--log-level", "warn")
	sim.ready = "http://" + sim.addr + "/sim/stats"
	sim.start()
	s.awaitOK(sim.program)
	return sim
}

// behavior is what the simulator does with a call: a word, or in full.
type behavior any

// hanging accepts a message and says nothing of it ever.
func hanging() behavior {
	return map[string]any{"answer": "hang", "receipts": map[string]any{"outcome": "none"}}
}

// forNumber sets what meets the next times calls to a number.
func (s *simulator) forNumber(to string, times int, b behavior) {
	s.t.Helper()
	s.order(http.MethodPut, "/sim/numbers/"+strings.TrimPrefix(to, "+"), rule(times, b))
}

// next sets what meets the next times calls.
func (s *simulator) next(times int, b behavior) {
	s.t.Helper()
	s.order(http.MethodPost, "/sim/next", rule(times, b))
}

// calm forgets the behaviours that have not met a call yet.
func (s *simulator) calm() {
	s.t.Helper()
	s.order(http.MethodDelete, "/sim/next", nil)
}

func rule(times int, b behavior) map[string]any { return map[string]any{"behavior": b, "times": times} }

func (s *simulator) order(method, path string, body any) {
	s.t.Helper()
	got, err := exchange(context.Background(), s.stack.client, method, "http://"+s.addr+path, body)
	if err != nil || got.status != http.StatusNoContent {
		s.t.Fatalf("simulator: %s %s: %s (%v)", method, path, got, err)
	}
}

// sinchStats are Sinch's totals.
type sinchStats struct {
	Calls    int            `json:"calls"`
	Accepted int            `json:"accepted"`
	Lookups  int            `json:"lookups"`
	Doubled  int            `json:"doubled"`
	Reached  int            `json:"reached"`
	Answers  map[string]int `json:"answers"`
}

func (s *simulator) stats() sinchStats {
	s.t.Helper()
	var stats sinchStats
	s.read("/sim/stats", &stats)
	return stats
}

func (s *simulator) read(path string, into any) {
	s.t.Helper()
	got, err := exchange(context.Background(), s.stack.client, http.MethodGet, "http://"+s.addr+path, nil)
	if err == nil {
		err = json.Unmarshal(got.body, into)
	}
	if err != nil {
		s.t.Fatalf("simulator: GET %s: %s (%v)", path, got, err)
	}
}

// sinchCall is a call as Sinch saw it.
type sinchCall struct {
	Operation string `json:"operation"`
	Reference string `json:"reference"`
	Accepted  bool   `json:"accepted"`
	Answer    string `json:"answer"`
	ID        string `json:"id"`
}

// calls are the calls for a message that would send it, oldest first.
func (s *simulator) calls(id string) []sinchCall {
	s.t.Helper()
	var view struct {
		Calls []sinchCall `json:"calls"`
	}
	s.read("/sim/calls?message="+url.QueryEscape(id), &view)
	var sends []sinchCall
	for _, call := range view.Calls {
		switch call.Operation {
		case "send", "sendmms", "sendsavedmms":
			sends = append(sends, call)
		}
	}
	return sends
}

// awaitCalls waits until Sinch has seen n calls for a message.
func (s *simulator) awaitCalls(id string, n int) {
	s.t.Helper()
	await(s.t, "call for "+id, patience, func() (bool, string) {
		calls := s.calls(id)
		return len(calls) >= n, strconv.Itoa(len(calls))
	})
}

// accepted counts the accepted calls of every message that had one. The counts
// are complete, however many calls there were.
func (s *simulator) accepted() map[string]int { return s.acceptedBy("message") }

// acceptedBy counts them by message, reference or number.
func (s *simulator) acceptedBy(what string) map[string]int {
	s.t.Helper()
	all, after := map[string]int{}, ""
	for {
		var view struct {
			Counts []struct {
				Key   string `json:"key"`
				Calls int    `json:"calls"`
			} `json:"counts"`
			Next string `json:"next"`
		}
		s.read("/sim/accepted?by="+what+"&limit=10000&after="+url.QueryEscape(after), &view)
		for _, c := range view.Counts {
			all[c.Key] = c.Calls
		}
		if after = view.Next; after == "" {
			return all
		}
	}
}

// wantAccepted checks how many calls for a message Sinch has accepted.
func (s *simulator) wantAccepted(id string, n int) {
	s.t.Helper()
	if got := s.accepted()[id]; got != n {
		s.t.Errorf("Sinch accepted %d calls for %s, want %d: %+v", got, id, n, s.calls(id))
	}
}
