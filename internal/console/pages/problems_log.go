package pages

import (
	"cmp"
	"context"
	"sync"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/messagelog"
)

const (
	// problemsFor is how long counts of the long-term log are shown: open pages are
	// refreshed every other second.
	problemsFor = 10 * time.Second
	// problemsTime bounds the counting.
	problemsTime = 5 * time.Second
)

// loggedProblems are the problems of all tenants in the long-term log, as they were
// counted last.
type loggedProblems struct {
	counting sync.Mutex // held by the request that counts

	mu   sync.Mutex
	at   time.Time
	list []messagelog.Problem
	err  error
}

// get returns the counts. Requests that come while another one counts get the last
// ones.
func (l *loggedProblems) get(now time.Time, count func() ([]messagelog.Problem, error)) ([]messagelog.Problem, error) {
	if !l.fresh(now) && l.counting.TryLock() {
		defer l.counting.Unlock()
		list, err := count()
		l.mu.Lock()
		l.at, l.list, l.err = now, list, err
		l.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list, l.err
}

func (l *loggedProblems) fresh(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.at.IsZero() && now.Sub(l.at) < problemsFor
}

// addLogged adds the counts of the long-term log to the groups that Redis shows, and
// reports what it has of the log. Both count the same messages, so that the larger
// number is nearer to the truth.
func (h *Handler) addLogged(ctx context.Context, f filter, rows map[problem]*problemRow, now time.Time) (logState, error) {
	if h.History == nil {
		return logNone, nil
	}
	scopes, err := h.scopes(ctx, filter{})
	if err != nil {
		return logNone, err
	}
	list, err := h.logged24.get(now, func() ([]messagelog.Problem, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), problemsTime) // other requests get it, too
		defer cancel()
		return h.History.Problems(ctx, scopes, finalProblems(), now, trendHours)
	})
	if err != nil {
		h.Log.Warn().Err(err).Msg("console problems without the long-term log")
		return logAway, nil
	}
	counts := make(map[problem]*problemRow)
	for _, p := range list {
		if f.covers(p.Scope) {
			addProblem(counts, p)
		}
	}
	for p, row := range counts {
		if have := rows[p]; have != nil {
			have.combine(row)
		} else {
			rows[p] = row
		}
	}
	return logRead, nil
}

// addProblem adds an hour to its group.
func addProblem(rows map[problem]*problemRow, p messagelog.Problem) {
	key := problem{
		Scope: p.Scope, Status: p.Status, Reason: p.Reason, Code: cmp.Or(p.SinchCode, noCode), Carrier: cmp.Or(p.Operator, noCode),
	}
	row := rows[key]
	if row == nil {
		row = newProblemRow(key)
		row.Text, row.First, row.Last = p.Text, p.First, p.Last
		rows[key] = row
	}
	row.Count += int(p.Count)
	if p.Ago >= 0 && p.Ago < trendHours {
		row.Hours[trendHours-1-p.Ago] += int(p.Count)
	}
	if p.First.Before(row.First) {
		row.First = p.First
	}
	if p.Last.After(row.Last) {
		row.Last = p.Last
	}
}

// combine takes the larger counts of two rows of a group.
func (r *problemRow) combine(o *problemRow) {
	r.Count = max(r.Count, o.Count)
	for i := range r.Hours {
		r.Hours[i] = max(r.Hours[i], o.Hours[i])
	}
	if o.First.Before(r.First) {
		r.First = o.First
	}
	if o.Last.After(r.Last) {
		r.Last = o.Last
	}
}

// finalProblems are the states of problems that messages end in. Those that wait change
// faster than the log.
func finalProblems() []message.Status {
	return []message.Status{message.StatusFailed, message.StatusUndelivered, message.StatusExpired, message.StatusUnknown}
}
