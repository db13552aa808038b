package sinchsim

import (
	"net/http"
	"strconv"
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
func (a *batchesAPI) dryRun(w http.ResponseWriter, r *http.Request) {
	call := newCall(APIBatches, "dry_run")
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
		a.sim.recorder.recordLookup(call.answered(refused.label()))
		refused.reply().write(w)
		return
	}
	a.sim.recorder.recordLookup(call.about(q.Reference, q.To...).answered("ok"))
	view := dryRunView{Recipients: len(q.To), Messages: len(q.To)}
	if values.Get("per_recipient") == "true" {
		for _, number := range q.To[:min(limit, len(q.To))] {
			view.PerRecipient = append(view.PerRecipient, dryRunRecipient{number, 1, q.Body.Message, "text"})
		}
	}
	reply{status: http.StatusOK, body: encode(view)}.write(w)
}
