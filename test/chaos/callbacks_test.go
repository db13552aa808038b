package chaos_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

// receiver is an endpoint of callbacks. It remembers under which ids it has
// answered each event with success.
type receiver struct {
	*httptest.Server

	mu    sync.Mutex
	taken map[string]map[string]bool // webhook-ids by message and type
	asked map[string]map[string]bool // those that were answered otherwise, too
}

// receive starts a receiver. answer writes the response to its nth request and
// reports whether it is a success.
func receive(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, n int) bool) *receiver {
	t.Helper()
	e := &receiver{taken: map[string]map[string]bool{}, asked: map[string]map[string]bool{}}
	n := 0
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var event struct {
			Type string
			Data struct{ ID string }
		}
		body, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(body, &event)
		key, id := event.Data.ID+" "+event.Type, r.Header.Get("Webhook-Id")
		e.mu.Lock()
		n++
		turn := n
		e.note(e.asked, key, id)
		e.mu.Unlock()
		if answer(w, r, turn) {
			e.mu.Lock()
			e.note(e.taken, key, id)
			e.mu.Unlock()
		}
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *receiver) note(in map[string]map[string]bool, key, id string) {
	if in[key] == nil {
		in[key] = map[string]bool{}
	}
	in[key][id] = true
}

// of are the numbers of ids under which an event was taken, and under which it came
// at all.
func (e *receiver) of(id, event string) (taken, asked int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.taken[id+" "+event]), len(e.asked[id+" "+event])
}

// awaitAsked waits until an event of a message has come.
func (e *receiver) awaitAsked(t *testing.T, id string) {
	t.Helper()
	harness.Await(t, "an event of "+id, recovery, func() (bool, string) {
		e.mu.Lock()
		defer e.mu.Unlock()
		for key := range e.asked {
			if strings.HasPrefix(key, id+" ") {
				return true, ""
			}
		}
		return false, ""
	})
}

func takes(w http.ResponseWriter) bool {
	w.WriteHeader(http.StatusNoContent)
	return true
}

// receivers are endpoints with the faults that they have in the field.
type receivers struct {
	quick, slow, failing, redirecting, hanging, gone *receiver

	down string // URL at which nothing listens
}

func newReceivers(t *testing.T) *receivers {
	t.Helper()
	const answersFail, answersRedirect = 60, 30
	r := &receivers{quick: receive(t, func(w http.ResponseWriter, _ *http.Request, _ int) bool { return takes(w) })}
	r.slow = receive(t, func(w http.ResponseWriter, req *http.Request, _ int) bool {
		select {
		case <-time.After(300 * time.Millisecond):
			return takes(w)
		case <-req.Context().Done():
			return false
		}
	})
	r.failing = receive(t, func(w http.ResponseWriter, _ *http.Request, n int) bool {
		if n > answersFail {
			return takes(w)
		}
		w.WriteHeader(http.StatusBadGateway)
		return false
	})
	r.redirecting = receive(t, func(w http.ResponseWriter, req *http.Request, n int) bool {
		if n > answersRedirect {
			return takes(w)
		}
		http.Redirect(w, req, r.quick.URL, http.StatusTemporaryRedirect)
		return false
	})
	release := make(chan struct{})
	r.hanging = receive(t, func(_ http.ResponseWriter, req *http.Request, _ int) bool {
		select {
		case <-release:
		case <-req.Context().Done():
		}
		return false
	})
	t.Cleanup(func() { close(release) })
	r.gone = receive(t, func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.WriteHeader(http.StatusGone)
		return false
	})
	r.down = "http://" + freePorts.Take(t)
	return r
}

// TestCallbacksUnderKills sends to receivers of all kinds while apis and workers are
// killed at random moments: the event of each final state is taken, under one id, or
// its delivery is failed; and no receiver holds up another one.
func TestCallbacksUnderKills(t *testing.T) {
	t.Parallel()
	s := start(t, shape{api: mms, apis: 2, workers: 3, env: map[string]string{
		"CALLBACK_ALLOW_PRIVATE": "true", "CALLBACK_TIMEOUT": "1s", "LOG_LEVEL": "warn",
	}})
	to := newReceivers(t)
	own := map[*receiver]string{nil: to.down, to.quick: "", to.slow: to.slow.URL, to.failing: to.failing.URL}
	own[to.redirecting], own[to.hanging], own[to.gone] = to.redirecting.URL, to.hanging.URL, to.gone.URL
	s.configure(to.quick.URL + "/hook")

	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-chaos.seed=%d", seed)
	rng := rand.New(rand.NewPCG(seed, seed))
	sent := make(map[*receiver][]string)
	const perRound, killEvery, roundTime = 3, 3, 2 * time.Second
	const listed = 100 // of the messages whose deliveries fail: a tenant has 10,000 deliveries that have ended
	for round := range max(1, int(*chaosFor/roundTime)) {
		for at, url := range own {
			for n := range perRound {
				sent[at] = append(sent[at], s.sendTo(fmt.Sprintf("c-%d-%s-%d", round, url, n), url))
			}
		}
		if round%killEvery == 0 {
			victims := s.processes()[1:] // the first api answers this test
			p := victims[rng.IntN(len(victims))]
			p.Kill()
			p.Start()
		}
	}
	s.apis[0].Kill()
	s.apis[0].Start()
	s.awaitReady()
	for _, all := range sent {
		for _, id := range all {
			s.awaitStatus(id, recovery, "delivered", "unknown")
		}
	}
	for _, at := range []*receiver{to.quick, to.slow, to.failing, to.redirecting} {
		for _, id := range sent[at] {
			s.wantTaken(at, id)
		}
	}
	for i, id := range sent[to.gone] {
		to.gone.awaitAsked(t, id)
		if len(sent[to.gone])-i <= listed {
			s.awaitDelivery(id, "failed")
		}
	}
	for _, at := range []*receiver{nil, to.hanging} { // they are tried for a day
		for _, id := range sent[at] {
			s.awaitDelivery(id, "pending")
		}
	}
}

// configure sets the callback of the caller.
func (s *stack) configure(url string) {
	s.t.Helper()
	got, err := s.call(s.t.Context(), s.apis[0], http.MethodPut, "/v1/callback", map[string]any{"url": url})
	if err != nil || got.Status != http.StatusOK {
		s.t.Fatalf("callback: %s, %v", got, err)
	}
}

// sendTo hands over a message with a callback URL of its own; empty: none.
func (s *stack) sendTo(reference, url string) string {
	s.t.Helper()
	m := newMessage(strings.NewReplacer("http://127.0.0.1:", "", "/", "").Replace(reference), "normal")
	body := struct {
		message

		CallbackURL *string `json:"callbackUrl"`
	}{message: m}
	if url != "" {
		body.CallbackURL = &url
	}
	var r resource
	harness.Await(s.t, "202", harness.Patience, func() (bool, string) {
		got, err := s.call(s.t.Context(), s.apis[0], http.MethodPost, "/v1/messages", body)
		if err != nil || got.Status != http.StatusAccepted && got.Status != http.StatusOK {
			return false, fmt.Sprint(got, err)
		}
		return json.Unmarshal(got.Body, &r) == nil, ""
	})
	return r.ID
}

// wantTaken waits until a receiver has taken the event of the state that a message
// has, and wants one id.
func (s *stack) wantTaken(at *receiver, id string) {
	s.t.Helper()
	event := ""
	harness.Await(s.t, "last event of "+id, recovery, func() (bool, string) {
		r, err := s.get(s.t.Context(), s.apis[0], id)
		if err != nil {
			return false, err.Error()
		}
		event = "message." + r.Status
		taken, asked := at.of(id, event)
		return taken > 0, fmt.Sprintf("%s was taken %d times, came %d times", event, taken, asked)
	})
	if taken, asked := at.of(id, event); taken != 1 || asked != 1 {
		s.t.Errorf("%s of %s was taken under %d ids and came under %d", event, id, taken, asked)
	}
}

// awaitDelivery waits until each delivery of a message has a status, and there is
// one of its last state, unless the receiver ended the callbacks before (410).
func (s *stack) awaitDelivery(id, status string) {
	s.t.Helper()
	harness.Await(s.t, status+" deliveries of "+id, recovery, func() (bool, string) {
		r, err := s.get(s.t.Context(), s.apis[0], id)
		if err != nil {
			return false, err.Error()
		}
		got, err := s.call(s.t.Context(), s.apis[0], http.MethodGet, "/v1/callback/deliveries?messageId="+id, nil)
		if err != nil || got.Status != http.StatusOK {
			return false, fmt.Sprint(got, err)
		}
		var page struct {
			Data []struct{ Event, Status string }
		}
		if err := json.Unmarshal(got.Body, &page); err != nil {
			return false, err.Error()
		}
		last := false
		for _, d := range page.Data {
			if d.Status != status {
				return false, fmt.Sprint(page.Data)
			}
			last = last || d.Event == "message."+r.Status || status == "failed"
		}
		return last, fmt.Sprint(r.Status, page.Data)
	})
}
