package isolation_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"mmsdispatch/test/harness"
)

// Messages of a test key whose calls hang: live messages are sent beside them.
func TestHangingTestKey(t *testing.T) {
	t.Parallel()
	s := start(t, settings{})
	var hanging []string
	for range 200 {
		m, _ := s.greedy.send(map[string]any{"to": numberPool.Ending("9008")}, harness.Bearer(s.greedy.testKey))
		hanging = append(hanging, m.ID)
	}
	ids, _ := s.victim.sends(40)
	s.victim.awaitDelivered(ids)
	waits := 0
	for _, id := range hanging {
		if s.greedy.status(id, s.greedy.testKey) == "queued" {
			waits++
		}
	}
	if waits == 0 {
		t.Error("the victim's messages were delivered only after all of the test key's")
	}
}

// slowHost is a media host that answers nothing until it is released.
func slowHost(t *testing.T) (url string, release func()) {
	t.Helper()
	open := make(chan struct{})
	host := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-open:
		case <-r.Context().Done():
		}
	}))
	release = sync.OnceFunc(func() { close(open) })
	t.Cleanup(func() {
		release()
		host.Close()
	})
	return host.URL, release
}

// quickHost is one that answers at once.
func quickHost(t *testing.T) (url string) {
	t.Helper()
	picture := []byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00 and the rest")
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/jpeg")
		_, _ = w.Write(picture)
	}))
	t.Cleanup(host.Close)
	return host.URL
}

// Messages whose media host does not answer occupy no slot of other calls.
func TestSlowMediaHost(t *testing.T) {
	t.Parallel()
	s := start(t, settings{env: map[string]string{"MEDIA_CHECK": "worker", "MEDIA_ALLOW_PRIVATE": "true"}})
	slow, _ := slowHost(t)
	quick := quickHost(t)
	for range 100 {
		s.greedy.send(map[string]any{"mediaUrl": slow + "/" + numberPool.Next()[1:] + ".jpg"})
	}
	var ids []string
	for range 30 {
		m, _ := s.victim.send(map[string]any{"mediaUrl": quick + "/a.jpg"})
		ids = append(ids, m.ID)
	}
	s.victim.awaitDelivered(ids)
	if calls := len(s.sim.AllCalls()); calls != len(ids) {
		t.Errorf("%d calls were made, want those of the victim", calls)
	}
}

// Calls that take long have half of the slots while another tenant wants some: its
// messages are delivered while most of the slow ones wait.
func TestSlowCalls(t *testing.T) {
	t.Parallel()
	s := start(t, settings{})
	var slow []string
	for range 80 {
		to := numberPool.Next()
		s.sim.ForNumber(to, 0, "slow:8s")
		m, _ := s.greedy.send(map[string]any{"to": to})
		slow = append(slow, m.ID)
	}
	s.sim.AwaitCalls(slow[0], 1)
	ids, _ := s.victim.sends(40)
	s.victim.awaitDelivered(ids)
	if done := s.greedy.countDelivered(slow); done > len(slow)/2 {
		t.Errorf("%d of %d slow messages were delivered before the victim's", done, len(slow))
	}
}

// Messages whose content alone draws account answers fail, and pause the others a
// few times only.
func TestAccountAnswersOfOneTenant(t *testing.T) {
	t.Parallel()
	s := start(t, settings{})
	for range 30 {
		to := numberPool.Next()
		s.sim.ForNumber(to, 0, "E104")
		s.greedy.send(map[string]any{"to": to})
	}
	ids, _ := s.victim.sends(40)
	s.victim.awaitDelivered(ids)
	stats := s.sim.Stats()
	t.Logf("answers until the victim's messages were delivered: %v", stats.Answers)
	if refused := stats.Calls - stats.Accepted; refused > 30*3 {
		t.Errorf("%d calls were refused while %d messages of the victim were sent", refused, len(ids))
	}
}
