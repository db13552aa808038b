package pages

import (
	"encoding/json"
	"fmt"
	"net/http"

	"mmsdispatch/internal/status"
)

// overviewBody is what the overview shows.
type overviewBody struct {
	*status.Status

	Charts []chart
	Marks  []mark   // the changes on the charts
	All    bool     // everything is paused
	Refs   []string // the scopes of the pauses, without numbers
	Max    int      // calls that all workers can make at once
	Busy   int
}

func (h *Handler) overview(w http.ResponseWriter, r *http.Request) error {
	s, err := h.Status.Read(r.Context())
	if err != nil {
		return err
	}
	samples, err := status.History(r.Context(), h.Redis)
	if err != nil {
		return err
	}
	marks, err := h.marks(r.Context(), samples)
	if err != nil {
		return err
	}
	body := overviewBody{Status: s, Charts: chartsOf(samples, marks), Marks: marks}
	key, err := h.numberKey(r.Context())
	if err != nil {
		return err
	}
	for _, p := range s.Pauses {
		body.All = body.All || p.Scope == "all"
		body.Refs = append(body.Refs, hideSender(key, p.Scope))
	}
	for _, worker := range s.Workers {
		body.Max += worker.Concurrency
		body.Busy += worker.Sending
	}
	return h.show(w, r, "overview", "Overview", body)
}

func (h *Handler) statusJSON(w http.ResponseWriter, r *http.Request) error {
	s, err := h.Status.Read(r.Context())
	if err != nil {
		return err
	}
	value, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(value, '\n')) // it fails only when the caller has disconnected
	return nil
}
