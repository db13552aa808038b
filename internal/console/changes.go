package console

import (
	"context"
	"net/http"
	"strings"

	"mmsdispatch/internal/message"
)

// Lanes pauses the queues of a lane together.
type Lanes interface {
	// Lane names the lane that a queue is part of; "": it is in none.
	Lane(queue string) message.Lane
	Pause(ctx context.Context, lane message.Lane) error
	Resume(ctx context.Context, lane message.Lane) error
}

// Action is what a change does.
type Action string

// The actions.
const (
	ActionPause  Action = "pause"
	ActionResume Action = "resume"
	ActionOther  Action = "change"
)

// Change is what an operator changes on the pages.
type Change struct {
	User   string // of the admin listener; empty: it has none
	Action Action
	Target string // lane:NAME, or what the UI's API calls the queue or the tasks
}

// changes reports every change before it is made, and makes none that cannot be
// reported. A pause of a queue is one of its lane.
func changes(ui http.Handler, opts Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			ui.ServeHTTP(w, r)
			return
		}

		change, lane := changeOf(r, opts.Lanes)
		if err := opts.Change(r.Context(), change); err != nil {
			http.Error(w, "the change cannot be recorded now and was not made", http.StatusServiceUnavailable)
			return
		}

		if lane == "" {
			ui.ServeHTTP(w, r)
			return
		}

		act := opts.Lanes.Pause
		if change.Action == ActionResume {
			act = opts.Lanes.Resume
		}

		if err := act(r.Context(), lane); err != nil {
			http.Error(w, "Redis cannot be reached now", http.StatusInternalServerError)
			return
		}

		w.WriteHeader(http.StatusNoContent)
	})
}

// changeOf returns the change of a request, and the lane that it pauses or
// resumes; "": none.
func changeOf(r *http.Request, lanes Lanes) (Change, message.Lane) {
	user, _, _ := r.BasicAuth()
	change := Change{User: user, Action: ActionOther, Target: strings.TrimPrefix(r.URL.Path, QueuesPath+"/api/queues/")}

	queue, verb, _ := strings.Cut(change.Target, ":")
	action := Action(verb)
	whole := r.Method == http.MethodPost && !strings.Contains(queue, "/")

	if whole && (action == ActionPause || action == ActionResume) {
		change.Action, change.Target = action, queue

		if lane := lanes.Lane(queue); lane != "" {
			change.Target = "lane:" + string(lane)
			return change, lane
		}
	}
	return change, ""
}
