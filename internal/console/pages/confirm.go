package pages

import (
	"errors"
	"net/http"
	"strings"

	"mmsdispatch/internal/admin"
	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/pause"
)

// confirmation is the page between a control and its change.
type confirmation struct {
	Button  string            // the name of the control
	Effects []string          // sentences that say what will happen
	Hidden  map[string]string // fields that are sent back
	Back    string            // the page to return to
	Problem string            // what was wrong with the last try; empty: this is the first
	Rate    int               // messages per second that the form offers; 0: it asks for none
}

// confirm shows a confirmation, whose form posts to the path of the request.
func (h *Handler) confirm(w http.ResponseWriter, r *http.Request, title string, c confirmation) error {
	code := http.StatusOK
	if c.Problem != "" {
		code = http.StatusBadRequest
	}
	return h.render(w, r, code, "confirm", title, c)
}

// maxReason bounds a reason, in bytes.
const maxReason = 500

// reasonOf is the reason of a change. problem says what is wrong with it.
func reasonOf(r *http.Request) (reason, problem string) {
	reason = strings.TrimSpace(r.PostFormValue("reason"))
	switch {
	case reason == "":
		return "", "A reason is required."
	case len(reason) > maxReason:
		return "", "The reason is too long."
	default:
		return reason, ""
	}
}

// scopeOf reads the scope of a pause as the pause's own constructors do.
func scopeOf(text string) (pause.Scope, error) {
	kind, name, _ := strings.Cut(text, ":")
	switch kind {
	case "all":
		if name == "" {
			return pause.All, nil
		}
	case "lane":
		return pause.Lane(name)
	case tenantField:
		return pause.Tenant(name)
	case "batch":
		return pause.Batch(name)
	}
	return "", pause.ErrScope
}

func (h *Handler) pause(w http.ResponseWriter, r *http.Request) error {
	return h.changePause(w, r, "Pause", []string{
		"Messages in it stay queued, use no try and make no calls until it is resumed.",
		"It is in force within 2 seconds. Calls in flight are finished. Other lanes, tenants, senders and batches go on.",
	}, func(scope pause.Scope, reason string) error {
		return h.operator(r).Pause(r.Context(), scope, reason)
	})
}

func (h *Handler) resume(w http.ResponseWriter, r *http.Request) error {
	return h.changePause(w, r, "Resume", []string{
		"Messages in it are sent again at the pace in force, unless another pause covers them.",
		"A pause that a tenant has set for its own batch stays.",
	}, func(scope pause.Scope, reason string) error {
		_, err := h.operator(r).Resume(r.Context(), scope, reason)
		return err
	})
}

func (h *Handler) changePause(
	w http.ResponseWriter, r *http.Request, button string, effects []string, change func(scope pause.Scope, reason string) error,
) error {
	if err := h.allows(r, admin.Operator); err != nil {
		return err
	}
	text := r.FormValue("scope")
	scope, err := h.scope(r.Context(), text)
	if errors.Is(err, pause.ErrScope) {
		return &refusal{http.StatusBadRequest, "This scope cannot be paused or resumed."}
	}
	if err != nil {
		return err
	}
	back := backOf(r)
	c := confirmation{
		Button: button, Hidden: map[string]string{"scope": text, "back": back}, Back: back,
		Effects: append([]string{button + " " + maskedScope(string(scope)) + "."}, effects...),
	}
	if r.Method != http.MethodPost {
		return h.confirm(w, r, button+" "+maskedScope(string(scope)), c)
	}
	reason, problem := reasonOf(r)
	if problem == "" {
		err = change(scope, reason)
	}
	if problem != "" || errors.Is(err, operator.ErrReason) {
		c.Problem = problem
		return h.confirm(w, r, button+" "+maskedScope(string(scope)), c)
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, back, http.StatusSeeOther) //nolint:gosec // backOf lets only paths of the console through
	return nil
}

// backOf is the page of the console to return to after a change.
func backOf(r *http.Request) string {
	back := r.FormValue("back")
	if !strings.HasPrefix(back, Root) || strings.Contains(back, "..") || strings.ContainsAny(back, "\\\r\n") {
		return Root
	}
	return back
}
