package batches_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"mmsdispatch/internal/sinchsim/simtest"
)

// A batch is either accepted with 201 or refused with a documented status.
func FuzzBatchRequest(f *testing.F) {
	for _, body := range []simtest.Fields{
		simtest.Batch(), simtest.Batch().With("delivery_report", "none"), simtest.Batch().With("send_at", "2030-01-01T00:00:00"),
		simtest.Batch().With("delivery_report", "none").With("parameters", simtest.Fields{"a": simtest.Fields{"default": "x"}}).
			With("body", simtest.Fields{"url": "http://x/a", "message": "${a} ${b}"}),
	} {
		text, err := json.Marshal(body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(`{"to":null,"body":{}}`)
	s := simtest.Quiet()
	f.Fuzz(func(t *testing.T, body string) {
		before := s.Stats().Accepted
		w := simtest.Serve(s.Handler(), http.MethodPost, "/xms/v1/p/batches", simtest.BearerHeader(simtest.Token), body)
		switch w.Code {
		case http.StatusCreated, http.StatusBadRequest, http.StatusForbidden, http.StatusRequestEntityTooLarge:
		default:
			t.Fatalf("status %d", w.Code)
		}
		if len(w.Body.Bytes()) > 0 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("answer %q", w.Body)
		}
		if accepted := s.Stats().Accepted - before; (w.Code == http.StatusCreated) != (accepted == 1) {
			t.Errorf("%d accepted, status %d", accepted, w.Code)
		}
		simtest.CheckRecordReadable(t, s)
	})
}

func FuzzLookup(f *testing.F) {
	f.Add("/batches", "client_reference=a&page=1&page_size=100&start_date=2020-01-01T00:00:00Z")
	f.Add("/delivery_reports", "code=0,401&status=delivered")
	f.Add("/batches/x/delivery_report/1", "type=full")
	f.Add("/batches", "page=9223372036854775807&page_size=1&end_date=%ff")
	s := simtest.Quiet()
	text, err := json.Marshal(simtest.Batch().With("delivery_report", "none"))
	if err != nil {
		f.Fatal(err)
	}
	if w := simtest.Serve(s.Handler(), http.MethodPost, "/xms/v1/p/batches", simtest.BearerHeader(simtest.Token), string(text)); w.Code != http.StatusCreated {
		f.Fatal(w.Code)
	}
	f.Fuzz(func(t *testing.T, path, query string) {
		w := simtest.Serve(s.Handler(), http.MethodGet, "/xms/v1/p"+path+"?"+query, simtest.BearerHeader(simtest.Token), "")
		if w.Code >= http.StatusInternalServerError {
			t.Errorf("status %d", w.Code)
		}
		simtest.CheckRecordReadable(t, s)
	})
}
