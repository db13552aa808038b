package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"mmsdispatch/test/harness"
)

// endpoint is a receiver of callbacks, and what it got.
type endpoint struct {
	*httptest.Server

	mu     sync.Mutex
	ids    map[string]map[string]bool // webhook-ids by message and type
	events int
}

// listen starts a receiver; answer writes the response to the nth request.
func listen(t *testing.T, answer func(w http.ResponseWriter, n int)) *endpoint {
	t.Helper()
	e := &endpoint{ids: make(map[string]map[string]bool)}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var event struct {
			Type string
			Data struct{ ID string }
		}
		body, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(body, &event)
		e.mu.Lock()
		e.events++
		n, key := e.events, event.Data.ID+" "+event.Type
		if e.ids[key] == nil {
			e.ids[key] = make(map[string]bool)
		}
		e.ids[key][r.Header.Get("Webhook-Id")] = true
		e.mu.Unlock()
		answer(w, n)
	}))
	t.Cleanup(e.Close)
	return e
}

// of are the ids under which an event came.
func (e *endpoint) of(id, event string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.ids[id+" "+event])
}

func ok(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusNoContent) }

// Workers and the api are killed while callbacks are delivered to receivers of all
// kinds: each terminal state arrives, under one id, and sending goes on.
func TestCallbacksSurviveKills(t *testing.T) {
	t.Parallel()
	s := start(t, workers(2), patient(), with("CALLBACK_ALLOW_PRIVATE", "true"), with("CALLBACK_TIMEOUT", "1s"))
	release := make(chan struct{})
	quick := listen(t, ok)
	failing := listen(t, func(w http.ResponseWriter, n int) {
		if n <= 20 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	redirecting := listen(t, func(w http.ResponseWriter, n int) {
		if n <= 10 {
			w.Header().Set("Location", quick.URL)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	})
	hanging := listen(t, func(http.ResponseWriter, int) { <-release })
	t.Cleanup(func() { close(release) })
	gone := listen(t, func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusGone) })
	s.want(s.call(http.MethodPut, "/v1/callback", map[string]any{"url": quick.URL + "/hook"}), http.StatusOK)

	own := map[*endpoint]string{failing: failing.URL, redirecting: redirecting.URL, hanging: hanging.URL, gone: gone.URL, quick: ""}
	ids := make(map[*endpoint][]string)
	for round := range 12 {
		for to, url := range own {
			m := message{}
			if url != "" {
				m["callbackUrl"] = url
			}
			ids[to] = append(ids[to], s.send(m))
		}
		switch round {
		case 4:
			s.workers[0].Kill()
			s.startWorker()
		case 8:
			s.api.Kill()
			s.startAPI()
			s.awaitUp()
			s.workers[1].Kill()
			s.startWorker()
		default:
		}
	}
	for _, all := range ids {
		for _, id := range all {
			s.awaitMessage(id, "delivered or unknown", func(r resource) bool { return r.Status == "delivered" || r.Status == "unknown" })
		}
	}
	for _, to := range []*endpoint{quick, failing, redirecting} {
		for _, id := range ids[to] {
			s.wantEvent(to, id)
		}
	}
	s.await("the receiver that is gone ends each message", s.conf.patience, func() (bool, string) {
		for _, id := range ids[gone] {
			var page struct{ Data []struct{ Status string } }
			s.read(s.call(http.MethodGet, "/v1/callback/deliveries?status=failed&messageId="+id, nil), &page)
			if len(page.Data) == 0 {
				return false, id
			}
		}
		return true, ""
	})
}

// wantEvent waits for the event of the state that a message has, and wants one id.
func (s *stack) wantEvent(to *endpoint, id string) {
	s.t.Helper()
	event := "message." + s.lookUp(id).Status
	s.await(event+" of "+id, 2*s.conf.patience, func() (bool, string) {
		n := to.of(id, event)
		return n > 0, fmt.Sprint(n)
	})
	if n := to.of(id, event); n != 1 {
		s.t.Errorf("%s of %s came under %d ids", event, id, n)
	}
}

// A stream follows messages through all processes.
func TestEventsOfAMessage(t *testing.T) {
	t.Parallel()
	s := start(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+"/v1/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	header := harness.Bearer(s.key)
	request.Header.Set(header.Name, header.Value)
	client := http.Client{Timeout: 2 * s.conf.patience} // for the whole stream
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	id := s.send(message{})
	var seen strings.Builder
	for buffer := make([]byte, 4096); !strings.Contains(seen.String(), "event: message.delivered"); {
		n, err := response.Body.Read(buffer)
		if err != nil {
			t.Fatalf("%v after %s", err, seen.String())
		}
		seen.Write(buffer[:n])
	}
	for _, event := range []string{"queued", "sending", "sent"} {
		if !strings.Contains(seen.String(), "event: message."+event+"\n") || !strings.Contains(seen.String(), id) {
			t.Errorf("no %s of %s in %s", event, id, seen.String())
		}
	}
}
