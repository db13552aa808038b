package pages

import (
	"cmp"
	"context"
	"errors"
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

// problem is a group of messages that failed for the same reason.
type problem struct {
	Scope  message.Scope
	Status message.Status
	Reason message.ReasonCode
	Code   string // Sinch's; noCode: it gave none
}

// problemRow is a problem with its messages.
type problemRow struct {
	problem

	Text    string // of the reason of the latest message
	Count   int
	Hour    int // of them, created within the last hour
	First   time.Time
	Last    time.Time
	List    string // the address of its messages
	Doubles bool
}

// problemsBody is what the page of problems shows.
type problemsBody struct {
	Tenant   string
	Kind     string
	Rows     []problemRow
	Complete bool
	Replay   *replay.Replay // that was started from here; nil: none is shown
}

// problemStatuses are the states that a problem ends in.
func problemStatuses() []message.Status {
	return []message.Status{message.StatusFailed, message.StatusUndelivered, message.StatusExpired, message.StatusUnknown}
}

// problemMessages bounds the messages that are grouped.
const problemMessages = 20_000

func (h *Handler) problems(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	f, err := readFilter(url.Values{tenantField: query[tenantField], kindField: query[kindField]})
	if err != nil {
		return err
	}
	body := problemsBody{Tenant: f.Tenant, Kind: f.Kind}
	if id := query.Get("replay"); id != "" {
		job, err := h.Replays.Get(r.Context(), nil, id)
		if errors.Is(err, replay.ErrNotFound) {
			return &refusal{http.StatusNotFound, "There is no such replay."}
		}
		if err != nil {
			return err
		}
		body.Replay = &job
	}
	f.Status = problemStatuses()
	list, err := h.find(r.Context(), f, problemMessages)
	if err != nil {
		return err
	}
	body.Rows, body.Complete = group(list.Messages, h.Now()), list.Complete
	return h.show(w, r, "problems", "Problems", body)
}

// group counts messages, the newest first, by their problems.
func group(messages []*message.Message, now time.Time) []problemRow {
	rows := make(map[problem]*problemRow)
	for _, m := range messages {
		p := problem{Scope: m.Scope, Status: m.Status, Code: noCode}
		text := ""
		if m.Reason != nil {
			p.Reason, p.Code, text = m.Reason.Code, codeOf(m.Reason), m.Reason.Message
		}
		row := rows[p]
		if row == nil {
			query := p.query()
			row = &problemRow{
				problem: p, Text: text, Last: m.CreatedAt, List: messagesPath + "?" + query.Encode(),
				Doubles: p.Status == message.StatusUnknown,
			}
			rows[p] = row
		}
		row.Count++
		row.First = m.CreatedAt
		if now.Sub(m.CreatedAt) < time.Hour {
			row.Hour++
		}
	}
	all := make([]problemRow, 0, len(rows))
	for _, row := range rows {
		all = append(all, *row)
	}
	slices.SortFunc(all, func(a, b problemRow) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.List, b.List))
	})
	return all
}

func (p problem) query() url.Values {
	query := url.Values{tenantField: {p.Scope.Tenant}, kindField: {kindOf(p.Scope)}, statusField: {string(p.Status)}}
	if p.Reason != "" {
		query.Set("reason", string(p.Reason))
		query.Set("code", p.Code)
	}
	return query
}

// replayFilter selects the messages of a problem, also those that are too old for the
// list.
func (p problem) replayFilter(before time.Time) replay.Filter {
	f := replay.Filter{Scope: &p.Scope, Statuses: []message.Status{p.Status}, Before: before}
	if p.Reason != "" {
		f.Reasons, f.SinchCode = []message.ReasonCode{p.Reason}, p.Code
	}
	return f
}

// problemOf reads the problem that a replay names.
func problemOf(r *http.Request) (problem, error) {
	p := problem{
		Scope:  message.Scope{Tenant: r.FormValue(tenantField), Test: r.FormValue(kindField) == kindTest},
		Status: message.Status(r.FormValue(statusField)), Reason: message.ReasonCode(r.FormValue(causeField)),
		Code: cmp.Or(r.FormValue("code"), noCode),
	}
	if p.Scope.Tenant == "" || !slices.Contains(problemStatuses(), p.Status) {
		return problem{}, &refusal{http.StatusBadRequest, "The replay names no tenant, or a state that is no problem."}
	}
	return p, nil
}

// The pace of a replay, in messages per second.
const (
	replayRate    = 5
	maxReplayRate = 1000
)

// The fields of the confirmation. The reason of the messages is not that of the
// operator, whose field is called reason.
const (
	causeField = "cause"
	rateField  = "rate"
)

func (h *Handler) replayProblem(w http.ResponseWriter, r *http.Request) error {
	if err := h.allows(r, admin.Operator); err != nil {
		return err
	}
	p, err := problemOf(r)
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
	selection, err := h.Replays.Select(r.Context(), p.replayFilter(before))
	if err != nil {
		return err
	}
	c := confirmation{
		Button: "Replay", Back: Root + "problems", Rate: replayRate, Hidden: map[string]string{
			"before": before.Format(time.RFC3339Nano), "count": strconv.Itoa(selection.Count),
		},
		Effects: []string{
			plural(selection.Count, "message") + " of " + p.Scope.Tenant + " (" + kindOf(p.Scope) +
				") will be queued again, and sent at the pace in force.",
			doubles(selection.MayDouble), "Messages that change meanwhile are skipped. A worker does it in the background.",
		},
	}
	maps.Copy(c.Hidden, map[string]string{
		tenantField: p.Scope.Tenant, kindField: kindOf(p.Scope),
		statusField: string(p.Status), causeField: string(p.Reason), "code": p.Code,
	})
	if r.Method != http.MethodPost {
		return h.confirm(w, r, "Replay a problem", c)
	}
	return h.startReplay(w, r, p, before, selection, c)
}

func (h *Handler) startReplay(
	w http.ResponseWriter, r *http.Request, p problem, before time.Time, selection replay.Selection, c confirmation,
) error {
	reason, problem := reasonOf(r)
	rate, err := strconv.ParseFloat(r.PostFormValue(rateField), 64)
	if err != nil || !(rate > 0 && rate <= maxReplayRate) {
		problem = "The pace is a number above 0, up to 1000."
	}
	if problem == "" && r.PostFormValue("count") != strconv.Itoa(selection.Count) {
		problem = "The number of messages has changed meanwhile. Confirm it again."
	}
	if problem != "" {
		c.Problem = problem
		return h.confirm(w, r, "Replay a problem", c)
	}
	job, err := h.createReplay(r.Context(), r, replay.Request{
		Filter: p.replayFilter(before), Rate: rate, Force: selection.MayDouble > 0,
	}, operator.Change{
		Action: operator.ActionMessageReplay, Target: p.Scope.String() + " " + string(p.Status) + " " + string(p.Reason) + " " + p.Code,
		Reason: reason, Before: map[string]int{"messages": selection.Count, "mayDouble": selection.MayDouble},
	})
	if err != nil {
		return err
	}
	http.Redirect(w, r, Root+"problems?replay="+url.QueryEscape(job.ID), http.StatusSeeOther)
	return nil
}

// createReplay records a replay and starts it.
func (h *Handler) createReplay(
	ctx context.Context, r *http.Request, request replay.Request, change operator.Change,
) (replay.Replay, error) {
	if err := h.operator(r).Record(ctx, change); err != nil {
		return replay.Replay{}, err
	}
	return h.Replays.Create(ctx, request)
}
