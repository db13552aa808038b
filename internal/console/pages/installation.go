package pages

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/workers"
)

// workerRow is a worker with its calls of the last minute.
type workerRow struct {
	workers.State

	P50, P99 time.Duration
}

// workersBody is what the page of workers shows.
type workersBody struct {
	Host string
	Rows []workerRow
}

func (h *Handler) workers(w http.ResponseWriter, r *http.Request) error {
	list, err := workers.List(r.Context(), h.Redis, h.Now())
	if err != nil {
		return err
	}
	body := workersBody{Host: r.URL.Query().Get("host")}
	for _, s := range list {
		if body.Host == "" || body.Host == s.Host {
			median, slowest := s.Calls.Quantile(workers.Median), s.Calls.Quantile(workers.Slowest1)
			body.Rows = append(body.Rows, workerRow{State: s, P50: median, P99: slowest})
		}
	}
	return h.show(w, r, "workers", "Workers", body)
}

// auditRow is an entry of the audit.
type auditRow struct {
	operator.Entry

	BeforeText, AfterText string
}

// auditBody is what the page of the audit shows.
type auditBody struct {
	Actor, Action, Target string
	Since                 time.Duration
	Rows                  []auditRow
	Cut                   bool // there are more entries
}

const (
	auditSince = 7 * 24 * time.Hour
	auditShown = 200
)

func (h *Handler) audit(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	body := auditBody{Actor: query.Get("actor"), Action: query.Get("action"), Target: query.Get("target"), Since: auditSince}
	if text := query.Get("since"); text != "" {
		since, err := time.ParseDuration(text)
		if err != nil || since <= 0 {
			return &refusal{http.StatusBadRequest, "The filter since is a duration such as 24h."}
		}
		body.Since = since
	}
	entries, err := operator.Audit(r.Context(), h.Redis, h.Now().Add(-body.Since))
	if err != nil {
		return fmt.Errorf("read audit: %w", err)
	}
	for _, e := range entries {
		if body.Actor != "" && body.Actor != e.Actor || body.Action != "" && body.Action != string(e.Action) ||
			body.Target != "" && body.Target != e.Target {
			continue
		}
		if body.Cut = len(body.Rows) == auditShown; body.Cut {
			break
		}
		body.Rows = append(body.Rows, auditRow{Entry: e, BeforeText: jsonOf(e.Before), AfterText: jsonOf(e.After)})
	}
	return h.show(w, r, "audit", "Audit", body)
}

func jsonOf(value any) string {
	if value == nil {
		return ""
	}
	text, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(text)
}
