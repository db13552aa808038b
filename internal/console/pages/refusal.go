package pages

import (
	"context"
	"errors"
	"net/http"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/redisconn"
)

// refusal is an answer that says why a page or a change is refused.
type refusal struct {
	code int
	text string
}

// Error implements error.
func (e *refusal) Error() string { return e.text }

var (
	errNoPage     = &refusal{http.StatusNotFound, "There is no such page."}
	errNoMessage  = &refusal{http.StatusNotFound, "There is no message with this id, or its record has expired."}
	errNoBatch    = &refusal{http.StatusNotFound, "There is no batch with this id, or its record has expired."}
	errReadOnly   = &refusal{http.StatusForbidden, "Changes are switched off on this listener: ADMIN_WRITE=true allows them."}
	errRole       = &refusal{http.StatusForbidden, "Your role does not allow this change."}
	errCrossSite  = &refusal{http.StatusForbidden, "The request comes from another site."}
	errBadRequest = &refusal{http.StatusBadRequest, "The request is malformed."}
	errKey        = &refusal{http.StatusServiceUnavailable, "The record is encrypted with a key that is not in RECORD_KEYS."}
	errSlow       = &refusal{http.StatusServiceUnavailable, "The page took longer than 20 seconds. A filter makes it faster."}
	errFault      = &refusal{http.StatusInternalServerError, "The page cannot be shown. The log has the cause."}
)

// outage is a store that does not answer, as its page explains it.
type outage struct {
	Title   string
	Text    string
	Effects []string // what works meanwhile, and what does not
	Checks  []string
	cause   error
}

// Error implements error.
func (e *outage) Error() string { return e.Title }

// Unwrap returns the cause, which may name addresses.
func (e *outage) Unwrap() error { return e.cause }

func redisOutage(cause error) *outage {
	return &outage{
		Title: "Redis cannot be reached", cause: cause,
		Text: "Nothing can be shown, and nothing was changed unless the page said so.",
		Effects: []string{
			"The API answers 503: callers try again, and no message is accepted twice.",
			"No attempt begins. Outcomes of calls in flight are recorded as soon as Redis answers.",
			"Sinch sends receipts again that are refused now.",
		},
		Checks: []string{
			"Does Redis run, and is it reachable from this host? Does it answer that it is loading its data?",
			"Is REDIS_URL right? mmsctl doctor says what is wrong.",
		},
	}
}

// logOutage is the error of a page that needs the long-term log, or nil.
func logOutage(cause error) error {
	if cause == nil || !errors.Is(cause, redisconn.ErrUnavailable) || errors.Is(cause, encryption.ErrKeyMissing) {
		return cause
	}
	return &outage{
		Title: "PostgreSQL cannot be reached", cause: cause,
		Text: "Redis does not hold what the page is about, and the long-term log cannot be read.",
		Effects: []string{
			"Messages are accepted and sent as usual, and all pages about what Redis holds work.",
			"What the log has not got yet waits in Redis: its backlog is on the overview.",
		},
		Checks: []string{
			"Does PostgreSQL run, and is it reachable from this host?",
			"Is DATABASE_URL right, and is the schema current? mmsctl migrate status connects to it.",
		},
	}
}

// failed shows an error. Errors of the stores may name addresses, so their text is only
// logged.
func (h *Handler) failed(w http.ResponseWriter, r *http.Request, err error) {
	var refused *refusal
	var away *outage
	switch {
	case errors.As(err, &away), errors.As(err, &refused):
	case errors.Is(err, encryption.ErrKeyMissing):
		refused = errKey
	case errors.Is(err, redisconn.ErrUnavailable):
		away = redisOutage(err)
	case errors.Is(err, context.DeadlineExceeded):
		refused = errSlow
	default:
		refused = errFault
	}
	if away != nil || refused.code >= http.StatusInternalServerError {
		h.Log.Warn().Err(causeOf(err)).Str("page", r.URL.Path).Msg("console page failed")
	}
	if away != nil {
		w.Header().Set("Retry-After", outageRetry)
		h.failedAs(w, r, http.StatusServiceUnavailable, away.Title, *away)
		return
	}
	h.failedAs(w, r, refused.code, http.StatusText(refused.code), outage{Text: refused.text})
}

// causeOf is the error below an outage.
func causeOf(err error) error {
	if away, ok := errors.AsType[*outage](err); ok {
		return away.cause
	}
	return err
}

// outageRetry is the time after which a page may be there again, in seconds.
const outageRetry = "5"

func (h *Handler) failedAs(w http.ResponseWriter, r *http.Request, code int, title string, body outage) {
	if err := h.render(w, r, code, "error", title, body); err != nil {
		http.Error(w, body.Text, code)
	}
}
