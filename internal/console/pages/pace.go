package pages

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"mmsdispatch/internal/admin"
	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/throttle"
)

// changePace sets the pace of all workers, until it is changed again or reset.
func (h *Handler) changePace(w http.ResponseWriter, r *http.Request) error {
	if err := h.allows(r, admin.Operator); err != nil {
		return err
	}
	s, err := h.Status.Read(r.Context())
	if err != nil {
		return err
	}
	c := confirmation{
		Button: "Change pace", Back: Root, Rate: max(1, int(s.Rate.PerSecond)),
		Effects: []string{
			"All workers together make at most so many calls to Sinch per second, from the next call on. " +
				"Senders keep the lower paces of their own.",
			"What waits is sent later or sooner, and nothing is lost. The pace stays in force over restarts, until it is changed or reset.",
			fmt.Sprintf("The pace in force is %s per second. 0 is no limit.", strconv.FormatFloat(s.Rate.PerSecond, 'f', -1, 64)),
		},
	}
	const title = "Change the pace"
	if r.Method != http.MethodPost {
		return h.confirm(w, r, title, c)
	}
	reason, problem := reasonOf(r)
	rate, err := strconv.ParseFloat(r.PostFormValue(rateField), 64)
	if err != nil || throttle.CheckRate(rate) != nil {
		problem = "The pace is 0, or a number from 0.001 to 1000000."
	}
	if problem != "" {
		c.Problem = problem
		return h.confirm(w, r, title, c)
	}
	return h.paceChanged(w, r, h.operator(r).SetRate(r.Context(), rate, reason))
}

// resetPace returns all workers to SINCH_RATE.
func (h *Handler) resetPace(w http.ResponseWriter, r *http.Request) error {
	if err := h.allows(r, admin.Operator); err != nil {
		return err
	}
	c := confirmation{
		Button: "Reset pace", Back: Root,
		Effects: []string{"All workers go by their SINCH_RATE again, from the next call on."},
	}
	const title = "Reset the pace"
	if r.Method != http.MethodPost {
		return h.confirm(w, r, title, c)
	}
	reason, problem := reasonOf(r)
	if problem != "" {
		c.Problem = problem
		return h.confirm(w, r, title, c)
	}
	return h.paceChanged(w, r, h.operator(r).ResetRate(r.Context(), reason))
}

// paceChanged answers a change of the pace.
func (h *Handler) paceChanged(w http.ResponseWriter, r *http.Request, err error) error {
	if errors.Is(err, operator.ErrReason) {
		return errBadRequest
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, Root, http.StatusSeeOther)
	return nil
}
