package pages

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"mmsdispatch/internal/admin"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/replay"
)

// The fields of the confirmation of a group. The reason of the messages is not that of
// the operator, whose field is called reason.
const (
	causeField   = "cause"
	rateField    = "rate"
	carrierField = "carrier"
	jobField     = "replay" // the id of a change in the background, in the address of the page
)

// The pace of a change of many messages, in messages per second.
const (
	replayRate    = 5
	maxReplayRate = 1000
)

// groupChange is a control of a problem.
type groupChange struct {
	action  replay.Action
	button  string
	done    string                                       // what has become of a message
	effects func(of string, s replay.Selection) []string // of is the tenant
}

// changeOf is the control with an action.
func changeOf(a replay.Action) groupChange {
	switch a {
	case replay.Cancel:
		return groupChange{action: a, button: "Cancel", done: "canceled", effects: cancelEffects}
	case replay.Suppress:
		return groupChange{action: a, button: "Suppress", done: "of recipients opted out", effects: suppressEffects}
	case replay.SendAgain:
	}
	return groupChange{button: "Replay", done: "replayed", effects: replayEffects}
}

func replayEffects(of string, s replay.Selection) []string {
	return []string{
		plural(s.Count, "message") + " of " + of + " will be queued again, and sent at the pace in force.", doubles(s.MayDouble),
		"Messages that change meanwhile are skipped. A worker does it in the background.",
	}
}

func cancelEffects(of string, s replay.Selection) []string {
	effects := []string{
		plural(s.Count, "waiting message") + " of " + of + " will be canceled: no further attempt begins.",
		"0 may double: nothing is sent.",
	}
	if s.Attempted > 0 {
		effects = append(effects, fmt.Sprintf("%d of them end unknown: Sinch may have accepted an earlier attempt.", s.Attempted))
	}
	return append(effects, "Messages that change meanwhile, as when their attempt begins, are skipped. A worker does it in the background.")
}

func suppressEffects(of string, s replay.Selection) []string {
	return []string{
		"The recipients of " + plural(s.Count, "message") + " of " + of + " will be opted out of all senders of the tenant.",
		"What waits for them fails as suppressed, and so do new messages to them, until the opt-out is removed.",
		"0 may double: nothing is sent. A worker does it in the background.",
	}
}

func (h *Handler) replayProblem(w http.ResponseWriter, r *http.Request) error {
	return h.changeProblem(w, r, changeOf(replay.SendAgain))
}

func (h *Handler) cancelProblem(w http.ResponseWriter, r *http.Request) error {
	return h.changeProblem(w, r, changeOf(replay.Cancel))
}

func (h *Handler) suppressProblem(w http.ResponseWriter, r *http.Request) error {
	return h.changeProblem(w, r, changeOf(replay.Suppress))
}

// problemOf reads the problem that a change names.
func problemOf(r *http.Request, change groupChange) (problem, error) {
	p := problem{
		Scope:  message.Scope{Tenant: r.FormValue(tenantField), Test: r.FormValue(kindField) == kindTest},
		Status: message.Status(r.FormValue(statusField)), Reason: message.ReasonCode(r.FormValue(causeField)),
		Code: cmp.Or(r.FormValue("code"), noCode), Carrier: r.FormValue(carrierField),
	}
	if p.Scope.Tenant == "" || !slices.Contains(problemStatuses(), p.Status) || p.Status.Waiting() && p.Reason == "" {
		return problem{}, &refusal{http.StatusBadRequest, "The change names no tenant, or a state that is no problem."}
	}
	if !slices.Contains(change.action.Statuses(), p.Status) {
		text := change.button + " is not possible for messages in state " + string(p.Status) + "."
		return problem{}, &refusal{http.StatusConflict, text}
	}
	return p, nil
}

// changeProblem shows what a change of a group will do, and starts it once that is
// confirmed.
func (h *Handler) changeProblem(w http.ResponseWriter, r *http.Request, change groupChange) error {
	if err := h.allows(r, admin.Operator); err != nil {
		return err
	}
	p, err := problemOf(r, change)
	if err != nil {
		return err
	}
	// Messages that fail after the confirmation was shown are none of those it counted.
	before := h.Now().UTC().Truncate(time.Millisecond)
	if text := r.PostFormValue("before"); text != "" {
		if before, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return errBadRequest
		}
	}
	selection, err := h.Replays.Select(r.Context(), p.filter(before))
	if err != nil {
		return err
	}
	c := confirmation{
		Button: change.button, Back: Root + "problems", Rate: replayRate, Hidden: map[string]string{
			"before": before.Format(time.RFC3339Nano), "count": strconv.Itoa(selection.Count),
		},
		Effects: change.effects(p.Scope.Tenant+" ("+kindOf(p.Scope)+")", selection),
	}
	maps.Copy(c.Hidden, map[string]string{
		tenantField: p.Scope.Tenant, kindField: kindOf(p.Scope),
		statusField: string(p.Status), causeField: string(p.Reason), "code": p.Code, carrierField: p.Carrier,
	})
	title := change.button + " a problem"
	if r.Method != http.MethodPost {
		return h.confirm(w, r, title, c)
	}
	request, reason, problem := changeRequest(r, change, selection)
	if problem != "" {
		c.Problem = problem
		return h.confirm(w, r, title, c)
	}
	request.Filter = p.filter(before)
	job, err := h.operator(r).StartJob(r.Context(), h.Replays, request, p.target(), selection, reason)
	if err != nil {
		return err
	}
	http.Redirect(w, r, Root+"problems?"+jobField+"="+url.QueryEscape(job.ID), http.StatusSeeOther)
	return nil
}

// changeRequest reads the confirmed form. problem says what is wrong with it.
func changeRequest(r *http.Request, change groupChange, selection replay.Selection) (request replay.Request, reason, problem string) {
	reason, problem = reasonOf(r)
	rate, err := strconv.ParseFloat(r.PostFormValue(rateField), 64)
	if err != nil || !(rate > 0 && rate <= maxReplayRate) {
		problem = "The pace is a number above 0, up to 1000."
	}
	if problem == "" && r.PostFormValue("count") != strconv.Itoa(selection.Count) {
		problem = "The number of messages has changed meanwhile. Confirm it again."
	}
	return replay.Request{Action: change.action, Rate: rate, Force: selection.MayDouble > 0}, reason, problem
}

// stopJob ends a change in the background.
func (h *Handler) stopJob(w http.ResponseWriter, r *http.Request) error {
	if err := h.allows(r, admin.Operator); err != nil {
		return err
	}
	id := r.FormValue("id")
	job, err := h.Replays.Get(r.Context(), nil, id)
	if errors.Is(err, replay.ErrNotFound) || err == nil && job.Status != replay.Running {
		return &refusal{http.StatusConflict, "It does not run any more."}
	}
	if err != nil {
		return err
	}
	back := Root + "problems?" + jobField + "=" + url.QueryEscape(id)
	c := confirmation{
		Button: "Stop", Back: back, Hidden: map[string]string{"id": id}, Effects: []string{
			fmt.Sprintf("%s of %d is ended after %d.", changeOf(job.Action).button, job.Total, job.Replayed+job.Skipped),
			"What it has done stays. The rest stays as it is.",
		},
	}
	if r.Method != http.MethodPost {
		return h.confirm(w, r, "Stop "+id, c)
	}
	reason, problem := reasonOf(r)
	if problem == "" {
		err = h.operator(r).StopJob(r.Context(), h.Replays, id, reason)
	}
	if problem != "" || errors.Is(err, operator.ErrReason) {
		c.Problem = cmp.Or(problem, "A reason is required.")
		return h.confirm(w, r, "Stop "+id, c)
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
	return nil
}
