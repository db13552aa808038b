package pages

import (
	"errors"
	"net/http"

	"mmsdispatch/internal/admin"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/operator"
)

// errChanged says that a message is no longer as the confirmation said.
var errChanged = &refusal{http.StatusConflict, "The message has changed meanwhile and was not replayed. Look at it again."}

// Names in addresses and forms. statusField is in a confirmation also the state that
// it has shown.
const (
	tenantField = "tenant"
	kindField   = "kind"
	numberField = "number"
	statusField = "status"
)

func (h *Handler) replayMessage(w http.ResponseWriter, r *http.Request) error {
	if err := h.allows(r, admin.Operator); err != nil {
		return err
	}
	m, err := h.messageOf(r)
	if err != nil {
		return err
	}
	if replayable(m, h.Now()) != nil {
		return &refusal{http.StatusConflict, "A message in state " + string(m.Status) + " cannot be replayed."}
	}
	title := "Replay " + string(m.ID)
	c := confirmation{
		Button: "Replay", Back: pathOf(m), Hidden: map[string]string{statusField: string(m.Status)},
		Effects: []string{"1 message is queued again and sent at the pace in force.", doubles(truth(mayDouble(m)))},
	}
	if r.Method != http.MethodPost {
		return h.confirm(w, r, title, c)
	}
	if r.PostFormValue(statusField) != string(m.Status) {
		return errChanged
	}
	reason, problem := reasonOf(r)
	if problem != "" {
		c.Problem = problem
		return h.confirm(w, r, title, c)
	}
	err = h.operator(r).Replay(r.Context(), h.Ledger, h.Tasks, m.ID, mayDouble(m), reason)
	switch {
	case isChanged(err):
		return errChanged
	case errors.Is(err, ledger.ErrNotFound):
		return &refusal{http.StatusConflict, "The message is no longer in Redis and cannot be replayed."}
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, pathOf(m), http.StatusSeeOther) //nolint:gosec // a path of the console
	return nil
}

// isChanged reports whether a replay failed because of the state of the message.
func isChanged(err error) bool {
	var transition *message.TransitionError
	return errors.Is(err, message.ErrNotReplayable) || errors.Is(err, message.ErrForceRequired) || errors.As(err, &transition)
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// doubles says how many of the replayed messages may arrive twice.
func doubles(n int) string {
	switch n {
	case 0:
		return "0 may double: Sinch has accepted none of the attempts so far."
	case 1:
		return "1 may double: Sinch may have accepted an attempt of it, and its recipient may get it twice."
	default:
		return plural(n, "message") + " may double: Sinch may have accepted an attempt, and the recipient may get it twice."
	}
}

// reveal shows the number and the content of a message in one answer.
func (h *Handler) reveal(w http.ResponseWriter, r *http.Request) error {
	if err := h.allows(r, admin.Admin); err != nil {
		return err
	}
	m, err := h.messageOf(r)
	if err != nil {
		return err
	}
	title := "Reveal " + string(m.ID)
	c := confirmation{
		Button: "Reveal", Back: pathOf(m),
		Effects: []string{
			"The next page shows the full number and the content of this message, once.", "Your name and the reason are recorded.",
		},
	}
	if r.Method != http.MethodPost {
		return h.confirm(w, r, title, c)
	}
	reason, problem := reasonOf(r)
	if problem != "" {
		c.Problem = problem
		return h.confirm(w, r, title, c)
	}
	err = h.operator(r).Reveal(r.Context(), m.ID, reason)
	if errors.Is(err, operator.ErrReason) {
		return errBadRequest
	}
	if err != nil {
		return err
	}
	body, err := h.messageBody(r, m)
	if err != nil {
		return err
	}
	body.Revealed = &m.Content
	return h.show(w, r, "message", "Message "+string(m.ID), body)
}
