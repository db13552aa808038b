package e2e_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

func TestAdminListenerIsNotPublic(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.awaitStatus(s.send(message{}), "delivered")

	for _, path := range []string{"/metrics", "/queues/", "/queues", "/console/", "/debug/pprof/", "/debug/pprof/cmdline"} {
		s.wantProblem(s.call(http.MethodGet, path, nil), http.StatusNotFound, "not_found")
	}
	for _, base := range []string{s.admin, s.workers[0].admin} {
		for _, path := range []string{"/livez", "/readyz", "/metrics", "/debug/pprof/cmdline"} {
			s.adminGet(base + path)
		}
	}
	if page := s.adminGet(s.admin + "/queues/"); !bytes.Contains(page.Body, []byte("<html")) {
		t.Errorf("/queues/ is no page: %s", page)
	}
	s.await("page of all lanes", harness.Patience, func() (bool, string) {
		queues := s.adminGet(s.admin + "/queues/api/queues")
		for _, lane := range []string{"high", "normal", "bulk"} {
			if !strings.Contains(string(queues.Body), `"`+lane+`"`) {
				return false, lane + " is missing: " + queues.String()
			}
		}
		return true, ""
	})
}

func TestQueueUIIsReadOnly(t *testing.T) {
	t.Parallel()
	s := start(t)
	got, err := s.client.Do(t.Context(), http.MethodPost, s.admin+"/queues/api/queues/normal:pause", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Status < http.StatusBadRequest {
		t.Errorf("pausing a queue answers %s", got)
	}
	s.awaitStatus(s.send(message{}), "delivered")
}

// An operator who pauses one queue of the bulk lane pauses the lane; the change is
// logged and recorded under the operator's name.
func TestLaneIsPausedFromTheQueuePages(t *testing.T) {
	t.Parallel()
	const password = "admin-password-of-this-test"
	s := start(t, with("ADMIN_USER", "alice"), with("ADMIN_PASSWORD", password), with("ADMIN_WRITE", "true"))
	s.private.add("admin password", password)
	change := func(path string) {
		t.Helper()
		got, err := s.client.Do(t.Context(), http.MethodPost, s.admin+"/queues/api/queues/"+path, nil,
			harness.Header{Name: "Authorization", Value: "Basic " + base64.StdEncoding.EncodeToString([]byte("alice:"+password))})
		if err != nil {
			t.Fatal(err)
		}
		s.want(got, http.StatusNoContent)
	}
	s.awaitStatus(s.send(message{"priority": "bulk"}), "delivered") // all queues are there
	change("bulk-3:pause")
	waiting := s.send(message{"priority": "bulk"})
	s.awaitStatus(s.send(message{}), "delivered") // another lane goes on
	if r := s.lookUp(waiting); r.Status != "queued" {
		t.Errorf("a message of the paused lane is %s", r.Status)
	}
	change("bulk:resume")
	s.awaitStatus(waiting, "delivered")
	output := string(s.api.Log())
	for _, action := range []string{"pause", "resume"} {
		if line := `"operator":"alice","action":"` + action + `","target":"lane:bulk"`; !strings.Contains(output, line) {
			t.Errorf("no line with %s", line)
		}
	}
}

func TestAdminListenerAsksForItsPassword(t *testing.T) {
	t.Parallel()
	const password = "admin-password-of-this-test"
	s := start(t, with("ADMIN_USER", "operator"), with("ADMIN_PASSWORD", password))
	s.private.add("admin password", password)
	for _, base := range []string{s.admin, s.workers[0].admin} {
		for path, status := range map[string]int{
			"/livez": http.StatusOK, "/readyz": http.StatusOK,
			"/metrics": http.StatusUnauthorized, "/queues/": http.StatusUnauthorized, "/debug/pprof/": http.StatusUnauthorized,
		} {
			got, err := s.get(base + path)
			if err != nil {
				t.Fatal(err)
			}
			if base == s.workers[0].admin && path == "/queues/" && got.Status == http.StatusNotFound {
				continue // the worker need not show the queues
			}
			if got.Status != status {
				t.Errorf("%s%s answers %s without credentials, want %d", base, path, got, status)
			}
		}
	}
	got, err := s.client.Do(t.Context(), http.MethodGet, s.admin+"/metrics", nil,
		harness.Header{Name: "Authorization", Value: "Basic b3BlcmF0b3I6YWRtaW4tcGFzc3dvcmQtb2YtdGhpcy10ZXN0"})
	if err != nil {
		t.Fatal(err)
	}
	s.want(got, http.StatusOK)
}

func TestMetricsTellWhatHappened(t *testing.T) {
	t.Parallel()
	s := start(t)
	refused := numberPool.Next()
	s.sim.ForNumber(refused, 0, "E110")
	s.awaitStatus(s.send(message{}), "delivered")
	s.awaitStatus(s.send(message{"to": refused}), "failed")
	s.call(http.MethodPost, receiptAt+"?token=wrong", receipt("unknown", 1, "N102"), harness.Header{Name: "Authorization", Value: ""})

	for base, wanted := range map[string][]string{
		s.admin: {
			`mms_accepted_messages_total{lane="normal",result="accepted"} 2`,
			`mms_http_requests_total{method="POST",route="/v1/messages",status="202"} 2`,
			`mms_receipts_total`,
			`mms_webhook_auth_failures_total`,
		},
		s.workers[0].admin: {
			`mms_attempts_total{api="mms",outcome="accepted"} 1`,
			`mms_attempts_total{api="mms",outcome="refused"} 1`,
		},
	} {
		s.await("metrics", harness.Patience, func() (bool, string) {
			text := string(s.adminGet(base + "/metrics").Body)
			for _, line := range wanted {
				if !strings.Contains(text, line) {
					return false, line + " is missing on " + base + ":\n" + ours(text)
				}
			}
			return true, ""
		})
	}
	s.await("sweep in the metrics", harness.Patience, func() (bool, string) {
		const metric = "mms_sweeper_last_success_timestamp_seconds "
		text := string(s.adminGet(s.workers[0].admin + "/metrics").Body)
		return strings.Contains(text, metric) && !strings.Contains(text, metric+"0\n"), ours(text)
	})
}

// ours are the metrics that are not Go's.
func ours(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "mms_") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func TestNothingPrivateIsShown(t *testing.T) {
	t.Parallel()
	for _, api := range apis() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := start(t, over(api), with("SINCH_TIMEOUT", "500ms"), with("RETRY_MAX", "1"))
			later := time.Now().Add(time.Hour).Format(time.RFC3339)
			for _, behavior := range []any{"ok", "E110", "illegal_number_type", "E618", "E104", "html", "reset", hanging(), "rejected"} {
				to := numberPool.Next()
				s.sim.ForNumber(to, 1, behavior)
				s.send(message{"to": to, "subject": "subject-" + secretText()})
			}
			s.send(message{"sendAt": later, "callbackUrl": "https://app.example.com/hook?secret=" + secretText()})
			// What is refused is private too, and so is what comes in the path and the query.
			s.post(message{"to": "+12065550", "text": secretText()})
			s.post(message{"to": "+447700900123", "mediaUrl": "ftp://user:password@example.com/?" + secretText()})
			s.call(http.MethodPost, "/v1/messages", `{"to":"`+numberPool.Next()+`","text":"`+secretText()+`",`)
			private := numberPool.Next()
			s.private.addMessage(message{"to": private})
			s.call(http.MethodGet, "/v1/messages?to=%2B"+private[1:], nil)
			s.call(http.MethodGet, "/v1/messages?limit="+private[1:], nil)
			s.call(http.MethodGet, "/v1/messages/"+private[1:], nil)
			s.call(http.MethodGet, "/v1/suppressions/%2B"+private[1:], nil)
			s.call(http.MethodGet, "/nowhere/"+private[1:], nil)
			s.call(http.MethodGet, "/v1/messages", nil, harness.Bearer("mms_live_wrong"+s.key[9:]))
			s.await("an end of all calls", harness.Patience, func() (bool, string) {
				var list struct {
					Data []resource `json:"data"`
				}
				s.read(s.want(s.call(http.MethodGet, "/v1/messages?status=queued,sending", nil), http.StatusOK), &list)
				return len(list.Data) == 0, "some are under way"
			})

			pages := []string{"/metrics", "/readyz", "/debug/pprof/cmdline", "/queues/api/queues", "/queues/api/redis_info"}
			for _, lane := range []string{"high", "normal", "bulk"} {
				for _, state := range []string{"pending", "active", "scheduled", "retry", "archived", "completed"} {
					pages = append(pages, "/queues/api/queues/"+lane+"/"+state+"_tasks")
				}
			}
			for _, base := range []string{s.admin, s.workers[0].admin} {
				for _, page := range pages {
					got, err := s.get(base + page)
					if err != nil {
						t.Fatal(err)
					}
					for _, leak := range s.private.found(got.Body) {
						t.Errorf("%s shows %s", page, leak)
					}
				}
			}
		})
	}
}

// adminGet reads a page of an admin listener.
func (s *stack) adminGet(url string) harness.Answer {
	s.t.Helper()
	got, err := s.get(url)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.want(got, http.StatusOK)
}
