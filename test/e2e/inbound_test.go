package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

// inboundOf is a message of a phone as each API posts it.
func inboundOf(api, phone, sender, id, text string) map[string]any {
	at := time.Now().UTC().Format(time.RFC3339)
	switch api {
	case batches:
		return map[string]any{"type": "mo_text", "id": id, "from": phone[1:], "to": sender[1:], "body": text, "received_at": at}
	case conversation:
		return map[string]any{
			"app_id": appID, "project_id": projectID, "event_time": at, "message": map[string]any{
				"id": id, "direction": "TO_APP", "contact_message": map[string]any{"text_message": map[string]any{"text": text}},
				"channel_identity": map[string]any{"channel": "SMS", "identity": phone[1:]}, "sender_id": sender[1:],
			},
		}
	default:
		return map[string]any{
			"origin": "MMS_MO", "code": "N401", "tracking-id": id, "from": phone[1:], "to": sender[1:], "message-subject": text, "timestamp": at,
			"content": []any{},
		}
	}
}

// A message of a phone is stored, listed, posted to the callback and streamed; HELP
// has an answer, over each API; STOP is an event.
func TestMessagesOfPhones(t *testing.T) {
	t.Parallel()
	for _, api := range []string{mmsAPI, batches, conversation} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			help := "Alerts of the shop. STOP ends them " + secretText()
			s := start(t, over(api), with("CALLBACK_ALLOW_PRIVATE", "true"), with("HELP_TEXT", help))
			s.private.add("help", help)
			events := make(chan string, 100)
			hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				events <- string(body)
				w.WriteHeader(http.StatusNoContent)
			}))
			t.Cleanup(hook.Close)
			s.want(s.call(http.MethodPut, "/v1/callback", map[string]any{"url": hook.URL, "events": []string{"message.received", "optout.added"}}),
				http.StatusOK)
			phone, sender := numberPool.Next(), s.conf.env["SINCH_NUMBER"]
			s.private.add("phone", phone[2:])
			post := func(id, text string) {
				t.Helper()
				s.want(s.call(http.MethodPost, inboundAt+"?token="+s.token, inboundOf(api, phone, sender, id, text),
					harness.Header{Name: "Authorization", Value: ""}), http.StatusOK)
			}
			text := secretText()
			s.private.add("inbound text", text)
			post("01", text)
			post("01", text) // repeated
			post("02", "Stop")
			post("03", "Help")
			post("03", "Help")

			var page struct {
				Data []struct {
					ID, From, To, Text string
					Keyword            *string
				}
			}
			s.read(s.want(s.call(http.MethodGet, "/v1/inbound?from=%2B"+phone[1:], nil), http.StatusOK), &page)
			if len(page.Data) != 3 {
				t.Fatalf("%d messages, want 3", len(page.Data))
			}
			first := page.Data[2]
			if page.Data[0].Keyword == nil || *page.Data[0].Keyword != "HELP" || first.Text != text || first.From != phone || first.To != sender {
				t.Errorf("listed %+v", page.Data)
			}
			s.wantPosted(events, map[string]int{"message.received": 3, "optout.added": 1}, first.ID)
			s.await("the answer to HELP", s.conf.patience, func() (bool, string) {
				stats := s.sim.Stats()
				return stats.Accepted == 1, fmt.Sprintf("%+v", stats)
			})
			if calls := s.sim.AllCalls(); len(calls) != 1 {
				t.Errorf("%d calls", len(calls))
			}
		})
	}
}

// wantPosted waits for as many events of each type; one of message.received is about
// an inbound message.
func (s *stack) wantPosted(events <-chan string, want map[string]int, about string) {
	s.t.Helper()
	seen, found := map[string]bool{}, false
	for left := 4; left > 0; {
		select {
		case body := <-events:
			var event struct {
				Type string
				Data struct{ ID, Number string }
			}
			if err := json.Unmarshal([]byte(body), &event); err != nil {
				s.t.Fatal(err)
			}
			found = found || event.Data.ID == about && strings.Contains(body, `"text":"text-`)
			if key := event.Type + event.Data.ID + event.Data.Number; !seen[key] {
				seen[key] = true
				want[event.Type]--
				left--
			}
		case <-time.After(2 * s.conf.patience):
			s.t.Fatalf("events are missing: %v", want)
		}
	}
	for event, n := range want {
		if n != 0 {
			s.t.Errorf("%s: %d missing", event, n)
		}
	}
	if !found {
		s.t.Errorf("no event has the text of %s", about)
	}
}
