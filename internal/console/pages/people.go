package pages

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"mmsdispatch/internal/callback"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/pause"
	"mmsdispatch/internal/suppression"
)

// scopeFilter is the filter of lists by tenant.
func scopeFilter(r *http.Request) (filter, error) {
	return readFilter(url.Values{tenantField: r.URL.Query()[tenantField], kindField: r.URL.Query()[kindField]})
}

// tenantRow is a tenant with its counts of the day.
type tenantRow struct {
	Scope  message.Scope
	Usage  ledger.Usage
	Keys   int // stored keys in force
	Paused bool
}

// Count is how often messages entered a state.
func (r tenantRow) Count(name string) int64 { return r.Usage.Entered[message.Status(name)] }

// tenantsBody is what the page of tenants shows.
type tenantsBody struct {
	Tenant string
	Kind   string
	Day    string
	Rows   []tenantRow
}

func (h *Handler) tenants(w http.ResponseWriter, r *http.Request) error {
	f, err := scopeFilter(r)
	if err != nil {
		return err
	}
	scopes, err := h.scopes(r.Context(), f)
	if err != nil {
		return err
	}
	now := h.Now().UTC()
	day := now
	if text := r.URL.Query().Get("day"); text != "" {
		if day, err = time.Parse(time.DateOnly, text); err != nil {
			return &refusal{http.StatusBadRequest, "The filter day is a date such as 2026-11-29."}
		}
	}
	usage, err := h.Ledger.UsageOf(r.Context(), scopes, day)
	if err != nil {
		return fmt.Errorf("read usage: %w", err)
	}
	keys, err := h.Keys.List(r.Context())
	if err != nil {
		return fmt.Errorf("list keys: %w", err)
	}
	pauses, err := pause.NewStore(h.Redis).Read(r.Context())
	if err != nil {
		return fmt.Errorf("read pauses: %w", err)
	}
	rows := make([]tenantRow, len(scopes))
	for i, scope := range scopes {
		_, paused := pauses[pause.Key("tenant:"+scope.Tenant)]
		rows[i] = tenantRow{Scope: scope, Usage: usage[i], Paused: paused}
		for _, key := range keys {
			inForce := key.RevokedAt.IsZero() && (key.ExpiresAt.IsZero() || now.Before(key.ExpiresAt))
			if key.Tenant == scope.Tenant && key.Test == scope.Test && inForce {
				rows[i].Keys++
			}
		}
	}
	return h.show(w, r, "tenants", "Tenants", tenantsBody{Tenant: f.Tenant, Kind: f.Kind, Day: day.Format(time.DateOnly), Rows: rows})
}

// senderRow is a sender with its pause.
type senderRow struct {
	Sender

	Ref    string // in place of the number
	Paused bool
}

func (h *Handler) senders(w http.ResponseWriter, r *http.Request) error {
	pauses, err := pause.NewStore(h.Redis).Read(r.Context())
	if err != nil {
		return fmt.Errorf("read pauses: %w", err)
	}
	key, err := h.numberKey(r.Context())
	if err != nil {
		return err
	}
	rows := make([]senderRow, 0, len(h.Senders))
	for _, s := range h.Senders {
		scope, err := pause.Sender(s.Number)
		if err != nil {
			continue
		}
		_, paused := pauses[pause.Pause{Scope: scope}.Key()]
		rows = append(rows, senderRow{Sender: s, Ref: hideSender(key, string(scope)), Paused: paused})
	}
	return h.show(w, r, "senders", "Senders", rows)
}

// optOutRow is an opt-out of a tenant.
type optOutRow struct {
	suppression.Entry

	Scope message.Scope
}

// optOutsBody is what the page of opt-outs shows.
type optOutsBody struct {
	Tenant string
	Kind   string
	Rows   []optOutRow
}

func (h *Handler) optOuts(w http.ResponseWriter, r *http.Request) error {
	f, err := scopeFilter(r)
	if err != nil {
		return err
	}
	scopes, err := h.scopes(r.Context(), f)
	if err != nil {
		return err
	}
	body := optOutsBody{Tenant: f.Tenant, Kind: f.Kind}
	for _, scope := range scopes {
		entries, err := h.OptOuts.List(r.Context(), scope, suppression.Position{}, listLimit)
		if err != nil {
			return fmt.Errorf("list opt-outs: %w", err)
		}
		for _, e := range entries {
			body.Rows = append(body.Rows, optOutRow{Entry: e, Scope: scope})
		}
	}
	slices.SortFunc(body.Rows, func(a, b optOutRow) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.Scope.String(), b.Scope.String()))
	})
	return h.show(w, r, "optouts", "Opt-outs", body)
}

// callbackRow is the configuration of a tenant.
type callbackRow struct {
	callback.Configuration

	Scope message.Scope
}

// deliveryRow is a delivery of a tenant.
type deliveryRow struct {
	callback.Delivery

	Scope message.Scope
}

// callbacksBody is what the page of callbacks shows.
type callbacksBody struct {
	Tenant     string
	Kind       string
	Status     string
	Configured []callbackRow
	Deliveries []deliveryRow
}

func (h *Handler) callbacks(w http.ResponseWriter, r *http.Request) error {
	f, err := scopeFilter(r)
	if err != nil {
		return err
	}
	body := callbacksBody{Tenant: f.Tenant, Kind: f.Kind, Status: r.URL.Query().Get("status")}
	statuses := []callback.Status{callback.Pending, callback.Failed}
	switch callback.Status(body.Status) {
	case "":
	case callback.Pending, callback.Delivered, callback.Failed:
		statuses = []callback.Status{callback.Status(body.Status)}
	default:
		return &refusal{http.StatusBadRequest, "The filter status is pending, delivered or failed."}
	}
	scopes, err := h.scopes(r.Context(), f)
	if err != nil {
		return err
	}
	configured, err := h.Callbacks.Configurations(r.Context(), scopes)
	if err != nil {
		return fmt.Errorf("list callbacks: %w", err)
	}
	for _, scope := range scopes {
		if c, found := configured[scope]; found {
			body.Configured = append(body.Configured, callbackRow{Configuration: c, Scope: scope})
		}
		list, err := h.Callbacks.List(r.Context(), scope, callback.Filter{Statuses: statuses}, callback.Position{}, listLimit)
		if err != nil {
			return fmt.Errorf("list callbacks: %w", err)
		}
		for _, d := range list {
			body.Deliveries = append(body.Deliveries, deliveryRow{Delivery: d, Scope: scope})
		}
	}
	slices.SortFunc(body.Deliveries, func(a, b deliveryRow) int { return b.CreatedAt.Compare(a.CreatedAt) })
	body.Deliveries = body.Deliveries[:min(len(body.Deliveries), listLimit)]
	return h.show(w, r, "callbacks", "Callbacks", body)
}
