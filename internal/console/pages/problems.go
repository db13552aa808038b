package pages

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/replay"
)

// problem is a group of messages that failed, or wait, for the same reason.
type problem struct {
	Scope   message.Scope
	Status  message.Status
	Reason  message.ReasonCode
	Code    string // Sinch's; noCode: it gave none
	Carrier string // its id; noCode: not known
}

// trendHours is the length of a trend.
const trendHours = 24

// problemRow is a problem with its messages.
type problemRow struct {
	problem

	Text    string // of the reason of the latest message
	Count   int
	Hours   [trendHours]int // of them, by the hour of their creation, the last hour last
	First   time.Time
	Last    time.Time
	List    string // the address of its messages
	Doubles bool
	Waits   bool // they can be canceled; else they can be replayed
}

// Hour is the number of messages that were created within the last hour.
func (r *problemRow) Hour() int { return r.Hours[trendHours-1] }

// Trend is the line of the messages by hour.
func (r *problemRow) Trend() chart {
	values := make([]float64, trendHours)
	for i, n := range r.Hours {
		values[i] = float64(n)
	}
	before := r.Hours[trendHours-2]
	word := "steady"
	switch {
	case r.Hour() > before:
		word = "rising"
	case r.Hour() < before:
		word = "falling"
	}
	return line(fmt.Sprintf("%s: %d in the last hour, %d in the hour before", word, r.Hour(), before), "messages an hour", values, nil)
}

// problemsBody is what the page of problems shows.
type problemsBody struct {
	Tenant   string
	Kind     string
	Rows     []*problemRow
	Complete bool
	Log      logState
	Jobs     []jobRow // those that run, and the one that was started from here
}

// jobRow is a change of many messages in the background.
type jobRow struct {
	replay.Replay

	Verb string // of its control
	Done string // what has become of its messages
}

// Handled is the number of messages that it is through with.
func (j jobRow) Handled() int64 { return j.Replayed + j.Skipped }

// Left is how long the rest takes.
func (j jobRow) Left() time.Duration {
	if j.Rate <= 0 {
		return 0
	}
	return time.Duration(float64(j.Total-j.Handled()) / j.Rate * float64(time.Second))
}

// Runs reports whether it can be stopped.
func (j jobRow) Runs() bool { return j.Status == replay.Running }

// problemStatuses are the states of problems: those that messages end in, and those
// in which they wait again after an attempt that failed.
func problemStatuses() []message.Status {
	return append(finalProblems(), message.StatusQueued, message.StatusScheduled)
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
	if body.Jobs, err = h.jobs(r, query.Get(jobField)); err != nil {
		return err
	}
	f.Status = problemStatuses()
	list, err := h.find(r.Context(), f, problemMessages)
	if err != nil {
		return err
	}
	now := h.Now().UTC()
	rows := group(list.Messages, now)
	if body.Log, err = h.addLogged(r.Context(), f, rows, now); err != nil {
		return err
	}
	body.Rows, body.Complete = sorted(rows), list.Complete
	return h.show(w, r, "problems", "Problems", body)
}

// jobs are those that run, and the one with an id; empty: none.
func (h *Handler) jobs(r *http.Request, id string) ([]jobRow, error) {
	running, err := h.Replays.Running(r.Context())
	if err != nil {
		return nil, err
	}
	if id != "" && !slices.ContainsFunc(running, func(job replay.Replay) bool { return job.ID == id }) {
		job, err := h.Replays.Get(r.Context(), nil, id)
		if errors.Is(err, replay.ErrNotFound) {
			return nil, &refusal{http.StatusNotFound, "There is no such replay."}
		}
		if err != nil {
			return nil, err
		}
		running = append(running, job)
	}
	rows := make([]jobRow, len(running))
	for i, job := range running {
		c := changeOf(job.Action)
		rows[i] = jobRow{Replay: job, Verb: c.button, Done: c.done}
	}
	return rows, nil
}

// group counts messages, the newest first, by their problems.
func group(messages []*message.Message, now time.Time) map[problem]*problemRow {
	rows := make(map[problem]*problemRow)
	for _, m := range messages {
		p := problem{Scope: m.Scope, Status: m.Status, Code: noCode, Carrier: cmp.Or(m.Operator, noCode)}
		text := ""
		switch {
		case m.Reason != nil:
			p.Reason, p.Code, text = m.Reason.Code, codeOf(m.Reason), m.Reason.Message
		case m.Status.Waiting():
			continue
		}
		row := rows[p]
		if row == nil {
			row = newProblemRow(p)
			row.Text, row.Last = text, m.CreatedAt
			rows[p] = row
		}
		row.Count++
		row.First = m.CreatedAt
		if ago := now.Sub(m.CreatedAt) / time.Hour; ago >= 0 && ago < trendHours {
			row.Hours[trendHours-1-ago]++
		}
	}
	return rows
}

func newProblemRow(p problem) *problemRow {
	return &problemRow{
		problem: p, List: messagesPath + "?" + p.query().Encode(),
		Doubles: p.Status == message.StatusUnknown, Waits: p.Status.Waiting(),
	}
}

// sorted are the rows, the largest first.
func sorted(rows map[problem]*problemRow) []*problemRow {
	all := make([]*problemRow, 0, len(rows))
	for _, row := range rows {
		all = append(all, row)
	}
	slices.SortFunc(all, func(a, b *problemRow) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.List, b.List))
	})
	return all
}

func (p problem) query() url.Values {
	query := url.Values{
		tenantField: {p.Scope.Tenant}, kindField: {kindOf(p.Scope)}, statusField: {string(p.Status)}, carrierField: {p.Carrier},
	}
	if p.Reason != "" {
		query.Set("reason", string(p.Reason))
		query.Set("code", p.Code)
	}
	return query
}

// filter selects the messages of a problem, also those that are too old for the list.
func (p problem) filter(before time.Time) replay.Filter {
	f := replay.Filter{Scope: &p.Scope, Statuses: []message.Status{p.Status}, Before: before, Operator: p.Carrier}
	if p.Reason != "" {
		f.Reasons, f.SinchCode = []message.ReasonCode{p.Reason}, p.Code
	}
	return f
}

// target names the problem in the audit.
func (p problem) target() string {
	text := p.Scope.String() + " " + string(p.Status) + " " + string(p.Reason) + " " + p.Code
	if p.Carrier != "" && p.Carrier != noCode {
		text += " carrier " + p.Carrier
	}
	return text
}
