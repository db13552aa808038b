package batches

import (
	"net/http"
	"strconv"

	"mmsdispatch/internal/sinchsim"
)

const (
	defaultDryRun = 100
	maxDryRun     = 1000
)

type dryRunView struct {
	Recipients   int               `json:"number_of_recipients"`
	Messages     int               `json:"number_of_messages"`
	PerRecipient []dryRunRecipient `json:"per_recipient,omitzero"`
}

type dryRunRecipient struct {
	Recipient string `json:"recipient"`
	Parts     int    `json:"number_of_parts"`
	Body      string `json:"body"`
	Encoding  string `json:"encoding"`
}

// dryRun checks a batch and sends nothing.
func (a *api) dryRun(w http.ResponseWriter, r *http.Request) {
	call := sinchsim.NewCall(sinchsim.APIBatches, "dry_run")
	q, _, refused := a.read(w, r, call.At)
	values := r.URL.Query()
	limit, err := strconv.Atoi(values.Get("number_of_recipients"))
	if values.Get("number_of_recipients") == "" {
		limit, err = defaultDryRun, nil
	}
	if refused == nil && (err != nil || limit < 0 || limit > maxDryRun) {
		refused = badFormat(values.Get("number_of_recipients"), "number_of_recipients")
	}
	if refused != nil {
		a.sim.RecordLookup(call.Answered(refused.label()))
		refused.reply().Write(w)
		return
	}
	a.sim.RecordLookup(call.About(q.Reference, q.To...).Answered("ok"))
	view := dryRunView{Recipients: len(q.To), Messages: len(q.To)}
	if values.Get("per_recipient") == "true" {
		for _, number := range q.To[:min(limit, len(q.To))] {
			view.PerRecipient = append(view.PerRecipient, dryRunRecipient{number, 1, q.Body.Message, "text"})
		}
	}
	sinchsim.Reply{Status: http.StatusOK, Body: sinchsim.Encode(view)}.Write(w)
}
