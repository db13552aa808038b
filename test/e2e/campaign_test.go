package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // quiet hours are those of a zone

	"mmsdispatch/test/harness"
)

// Sinch gets texts as a template renders them.
func TestTemplateReachesSinchRendered(t *testing.T) {
	t.Parallel()
	s := start(t, simulatorWith("--keep-bodies"))
	name := secretText()
	s.private.add("variable", name)
	id := s.send(message{
		"template": true, "text": `Hello {{name}}, {{code|none}}: \{{`, "subject": "{{subject}}",
		"variables": map[string]string{"name": name, "subject": "Of today"},
	})
	want := "Hello " + name + ", none: {{"
	if got := s.awaitStatus(id, "delivered"); got.Text == nil || *got.Text != want {
		t.Errorf("%s has the text %v", got, got.Text)
	}
	var seen struct {
		Calls []struct {
			Body json.RawMessage `json:"body"`
		} `json:"calls"`
	}
	s.sim.Read("/sim/calls?"+url.Values{"message": {id}}.Encode(), &seen)
	if len(seen.Calls) != 1 || !strings.Contains(string(seen.Calls[0].Body), want) || !strings.Contains(string(seen.Calls[0].Body), "Of today") {
		t.Errorf("Sinch saw %d calls without the rendered text", len(seen.Calls))
	}
	got := s.post(message{"template": true, "text": "{{name}}"})
	s.wantProblem(got, http.StatusBadRequest, "validation_failed")
	if !strings.Contains(got.String(), `"variables.name"`) || !strings.Contains(got.String(), `"variable_missing"`) {
		t.Errorf("%s", got)
	}
}

// The rows of a table are rendered one by one; one that lacks a variable is rejected
// alone.
func TestTemplateOfATable(t *testing.T) {
	t.Parallel()
	s := start(t)
	table := "to,variables.name\n" + numberPool.Next() + ",Ann\n" + numberPool.Next() + ",\n"
	query := url.Values{"template": {"true"}, "text": {"Dear {{name}}"}, "mediaUrl": {mediaURL()}}
	got := s.want(s.call(http.MethodPost, "/v1/batches?"+query.Encode(), table, harness.Header{Name: "Content-Type", Value: "text/csv"}), http.StatusAccepted)
	var b batch
	s.read(got, &b)
	if b.Accepted != 1 || b.Rejected != 1 || !strings.Contains(got.String(), "variable_missing") {
		t.Fatalf("%s", got)
	}
	if done := s.awaitDone(b.ID); done.Counts["delivered"] != 1 {
		t.Errorf("%+v", done)
	}
}

// quietNow are quiet hours in Seattle that have begun and end at a full minute, at
// least ten seconds from now.
func quietNow(t *testing.T) (hours string, end time.Time) {
	t.Helper()
	seattle, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	const spare = 10 * time.Second
	now := time.Now().In(seattle)
	end = now.Add(time.Minute + spare).Truncate(time.Minute)
	return now.Add(-2*time.Minute).Format("15:04") + "-" + end.Format("15:04"), end
}

// A message waits for the end of quiet hours where its recipient is. One that ignores
// them, one of the lane high, and one to another zone do not.
func TestQuietHours(t *testing.T) {
	t.Parallel()
	hours, end := quietNow(t)
	s := start(t, with("QUIET_HOURS", hours), patient())

	var dry resource
	s.read(s.want(s.call(http.MethodPost, "/v1/messages?dryRun=true", s.fill(message{})), http.StatusOK), &dry)
	if dry.Status != "scheduled" || dry.HeldUntil == nil || !dry.HeldUntil.Equal(end) {
		t.Errorf("a dry run: %s, held until %v, want %s", dry, dry.HeldUntil, end)
	}
	held := s.send(message{})
	expiring := s.send(message{"expiresAt": time.Now().Add(3 * time.Second).Format(time.RFC3339Nano)})
	awake := []string{
		s.send(message{"quietHours": "ignore"}), s.send(message{"priority": "high"}),
		s.send(message{"to": "+18085551212"}), // Honolulu, and not the same time of day as Seattle
	}
	got := s.lookUp(held)
	if got.Status != "scheduled" || got.HeldUntil == nil || !got.HeldUntil.Equal(end) {
		t.Errorf("%s, held until %v, want %s", got, got.HeldUntil, end)
	}
	if last := got.Timeline[len(got.Timeline)-1].Detail; !strings.Contains(last, "America/Los_Angeles") {
		t.Errorf("the timeline names no zone: %q", last)
	}
	for _, id := range awake {
		if r := s.awaitStatus(id, "delivered"); r.HeldUntil != nil {
			t.Errorf("%s was held until %s", r, r.HeldUntil)
		}
	}
	if r := s.awaitStatus(expiring, "expired"); r.Attempts != 0 {
		t.Errorf("%s", r)
	}
	sent := s.awaitStatus(held, "delivered")
	if sent.SentAt.Before(end) || sent.HeldUntil != nil {
		t.Errorf("%s, sent at %s, want not before %s", sent, sent.SentAt, end)
	}
}

// A batch with a pace goes out at it, and messages of others do not wait for it.
func TestBatchWithAPace(t *testing.T) {
	t.Parallel()
	const n, perSecond = 16, 4
	s := start(t, workers(2), with("SINCH_RATE", "0"))
	b := s.stream("maxPerSecond=4", s.rows(n))
	other := s.awaitStatus(s.send(message{"priority": "bulk"}), "delivered")
	if shown := s.lookUpBatch(b.ID); shown.MaxPerSecond == nil || *shown.MaxPerSecond != perSecond {
		t.Errorf("the batch shows the pace %v, want %d", shown.MaxPerSecond, perSecond)
	}
	if done := s.awaitDone(b.ID); done.Counts["delivered"] != n {
		t.Fatalf("%+v", done)
	}
	var begun []time.Time
	for id := range s.sim.AcceptedBy("message") {
		if id == other.ID {
			continue
		}
		for _, e := range s.lookUp(id).Timeline {
			if e.Status == "sending" {
				begun = append(begun, e.At)
			}
		}
	}
	slices.SortFunc(begun, time.Time.Compare)
	if len(begun) != n {
		t.Fatalf("%d attempts, want %d", len(begun), n)
	}
	if took, least := begun[n-1].Sub(begun[0]), (n-2)*time.Second/perSecond; took < least {
		t.Errorf("%d messages went out within %s at %d a second", n, took, perSecond)
	}
	if !other.SentAt.Before(begun[n-1]) {
		t.Errorf("another message was sent at %s, after the batch at %s", other.SentAt, begun[n-1])
	}
	s.wantProblem(s.call(http.MethodPost, "/v1/batches", map[string]any{"maxPerSecond": 0, "messages": []any{s.fill(message{})}}),
		http.StatusBadRequest, "validation_failed")
}
