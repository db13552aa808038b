package batches_test

import (
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

func TestListBatches(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{})
	var ids []any
	for i := range 3 {
		ids = append(ids, s.SendBatch(t, simtest.Batch().With("client_reference", "msg_"+strconv.Itoa(i)+"-1")).Fields["id"])
	}
	later := url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339))
	earlier := url.QueryEscape(time.Now().Add(-time.Hour).Format(time.RFC3339))
	tests := map[string]struct {
		query       string
		count, page float64
		ids         []any
	}{
		"all":             {"", 3, 0, []any{ids[2], ids[1], ids[0]}},
		"by reference":    {"client_reference=msg_1-1", 1, 0, []any{ids[1]}},
		"no such":         {"client_reference=msg_1", 0, 0, nil},
		"first page":      {"page_size=2", 3, 0, []any{ids[2], ids[1]}},
		"second page":     {"page_size=2&page=1", 3, 1, []any{ids[0]}},
		"past the end":    {"page_size=2&page=2", 3, 2, nil},
		"far past it":     {"page=9223372036854775807", 3, 9223372036854775807, nil},
		"from":            {"from=12015555555,1", 3, 0, []any{ids[2], ids[1], ids[0]}},
		"from another":    {"from=1", 0, 0, nil},
		"since later":     {"start_date=" + later, 0, 0, nil},
		"since earlier":   {"start_date=" + earlier + "&client_reference=msg_2-1", 1, 0, []any{ids[2]}},
		"until earlier":   {"end_date=" + earlier, 0, 0, nil},
		"until later":     {"end_date=" + later, 3, 0, []any{ids[2], ids[1], ids[0]}},
		"without a zone":  {"start_date=2020-01-01T00:00:00", 3, 0, []any{ids[2], ids[1], ids[0]}},
		"unknown ignored": {"foo=bar", 3, 0, []any{ids[2], ids[1], ids[0]}},
	}
	for name, tt := range tests {
		got := s.Batches(t, http.MethodGet, "/batches?"+tt.query, nil)
		var found []any
		batches, ok := got.Fields["batches"].([]any)
		for _, b := range batches {
			found = append(found, b.(map[string]any)["id"])
		}
		if diff := cmp.Diff(tt.ids, found); diff != "" || !ok || got.Status != http.StatusOK {
			t.Errorf("%s: %d (-want +got):\n%s", name, got.Status, diff)
		}
		if got.Fields["count"] != tt.count || got.Fields["page"] != tt.page || got.Fields["page_size"] != float64(len(tt.ids)) {
			t.Errorf("%s: %s", name, got.Raw)
		}
	}
	for _, query := range []string{"page=-1", "page=x", "page_size=0", "page_size=101", "start_date=x", "end_date=x"} {
		if got := s.Batches(t, http.MethodGet, "/batches?"+query, nil); got.Status != http.StatusBadRequest {
			t.Errorf("%s: %d", query, got.Status)
		}
	}
	if st := s.Stats(); st.Calls != 3 || st.Lookups != 21 {
		t.Errorf("%d calls, %d lookups", st.Calls, st.Lookups)
	}
	if n := len(s.Calls(sinchsim.CallFilter{Operation: "list", Reference: "msg_1-1"})); n != 1 {
		t.Errorf("%d lookups of one reference recorded", n)
	}
}

func TestUnknownCallIsFound(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{})
	s.Next(1, simtest.Behavior(t, "reset_after"))
	if _, err := simtest.Call(t.Context(), http.MethodPost, s.URL+"/xms/v1/"+simtest.Plan+"/batches", simtest.BearerHeader(simtest.Token), simtest.JSON(t, simtest.Batch())); err == nil {
		t.Fatal("the call was answered")
	}
	got := s.Batches(t, http.MethodGet, "/batches?client_reference=msg_a-1", nil)
	batches, _ := got.Fields["batches"].([]any)
	calls := s.Calls(sinchsim.CallFilter{Accepted: new(true)})
	if len(batches) != 1 || len(calls) != 1 || batches[0].(map[string]any)["id"] != calls[0].ID {
		t.Errorf("found %s, accepted %+v", got.Raw, calls)
	}
}

func TestNewBatchIsListedLater(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{Batches: sinchsim.BatchesOptions{ListDelay: time.Second}})
	id, _ := s.SendBatch(t, simtest.Batch()).Fields["id"].(string)
	if got := s.Batches(t, http.MethodGet, "/batches?client_reference=msg_a-1", nil); got.Fields["count"] != 0.0 {
		t.Errorf("listed at once: %s", got.Raw)
	}
	if got := s.Batches(t, http.MethodGet, "/batches/"+id, nil); got.Status != http.StatusNotFound {
		t.Errorf("got at once: %d", got.Status)
	}
	simtest.Eventually(t, "the batch is listed", func() bool {
		return s.Batches(t, http.MethodGet, "/batches?client_reference=msg_a-1", nil).Fields["count"] == 1.0
	})
}

func TestScheduledBatchIsCanceled(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{})
	send := simtest.Batch().With("send_at", time.Now().Add(time.Hour).Format(time.RFC3339))
	id, _ := s.SendBatch(t, send).Fields["id"].(string)
	got := s.Batches(t, http.MethodDelete, "/batches/"+id, nil)
	if got.Status != http.StatusOK || got.Fields["canceled"] != true {
		t.Fatalf("%d %s", got.Status, got.Raw)
	}
	report := s.Batches(t, http.MethodGet, "/batches/"+id+"/delivery_report", nil)
	if diff := cmp.Diff([]any{}, report.Fields["statuses"]); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestDryRunAndFeedback(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{})
	b := simtest.Batch().With("to", []any{"12065551212", "12065551213"})
	got := s.Batches(t, http.MethodPost, "/batches/dry_run?per_recipient=true&number_of_recipients=1", b)
	want := map[string]any{
		"number_of_recipients": 2.0, "number_of_messages": 2.0, "per_recipient": []any{map[string]any{
			"recipient": "12065551212", "number_of_parts": 1.0, "body": "Hello", "encoding": "text",
		}},
	}
	if diff := cmp.Diff(want, got.Fields); diff != "" {
		t.Errorf("dry run (-want +got):\n%s", diff)
	}
	for _, path := range []string{"/batches/dry_run?number_of_recipients=x", "/batches/dry_run?number_of_recipients=1001"} {
		if got := s.Batches(t, http.MethodPost, path, b); got.Status != http.StatusBadRequest {
			t.Errorf("%s: %d", path, got.Status)
		}
	}
	if n := s.Stats().Calls; n != 0 {
		t.Errorf("a dry run counts as %d calls", n)
	}
	id, _ := s.SendBatch(t, b).Fields["id"].(string)
	if got := s.Batches(t, http.MethodPost, "/batches/"+id+"/delivery_feedback", simtest.Fields{"recipients": []any{}}); got.Status != http.StatusAccepted {
		t.Errorf("feedback: %d", got.Status)
	}
}
