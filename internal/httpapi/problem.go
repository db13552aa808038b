package httpapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/callback"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/mediastore"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
	"mmsdispatch/internal/replay"
	"mmsdispatch/internal/strictjson"
	"mmsdispatch/internal/suppression"
)

// The problem codes. They are part of the contract.
const (
	codeValidation       = "validation_failed"
	codeInvalidJSON      = "invalid_json"
	codeUnauthorized     = "unauthorized"
	codeForbidden        = "forbidden"
	codeNotFound         = "not_found"
	codeMethodNotAllowed = "method_not_allowed"
	codeMediaType        = "unsupported_media_type"
	codeBodyTooLarge     = "body_too_large"
	codeReferenceReused  = "client_reference_reused"
	codeNotCancelable    = "not_cancelable"
	codeNotPausable      = "not_pausable"
	codeNotReplayable    = "not_replayable"
	codeNotErasable      = "not_erasable"
	codeForceRequired    = "force_required"
	codeRateLimited      = "rate_limited"
	codeQuotaExceeded    = "quota_exceeded"
	codeBackpressure     = "backpressure"
	codeCursorExpired    = "cursor_expired"
	codeUnavailable      = "unavailable"
	codeInternal         = "internal"
)

// problemKind is the common part of all problems of one code.
type problemKind struct {
	status     int
	title      string
	retryAfter string // seconds; empty: no header
}

// problemKinds is the read-only table of problems by code.
var problemKinds = map[string]problemKind{
	codeValidation:       {http.StatusBadRequest, "Invalid request", ""},
	codeInvalidJSON:      {http.StatusBadRequest, "Invalid JSON", ""},
	codeUnauthorized:     {http.StatusUnauthorized, "Unauthorized", ""},
	codeForbidden:        {http.StatusForbidden, "Forbidden", ""},
	codeNotFound:         {http.StatusNotFound, "Not found", ""},
	codeMethodNotAllowed: {http.StatusMethodNotAllowed, "Method not allowed", ""},
	codeMediaType:        {http.StatusUnsupportedMediaType, "Unsupported media type", ""},
	codeBodyTooLarge:     {http.StatusRequestEntityTooLarge, "Body too large", ""},
	codeReferenceReused:  {http.StatusUnprocessableEntity, "Client reference reused", ""},
	codeNotCancelable:    {http.StatusConflict, "Not cancelable", ""},
	codeNotPausable:      {http.StatusConflict, "Not pausable", ""},
	codeNotReplayable:    {http.StatusConflict, "Not replayable", ""},
	codeNotErasable:      {http.StatusConflict, "Not erasable", ""},
	codeForceRequired:    {http.StatusConflict, "Force required", ""},
	codeQuotaExceeded:    {http.StatusTooManyRequests, "Daily quota exceeded", ""},
	codeRateLimited:      {http.StatusTooManyRequests, "Too many requests", ""},
	codeBackpressure:     {http.StatusServiceUnavailable, "Too many messages waiting", "10"},
	codeCursorExpired:    {http.StatusGone, "Cursor expired", ""},
	codeUnavailable:      {http.StatusServiceUnavailable, "Temporarily unavailable", "2"},
	codeInternal:         {http.StatusInternalServerError, "Internal error", ""},
}

// problem is a refusal, written as problem details (RFC 9457).
type problem struct {
	Type      string               `json:"type"`
	Title     string               `json:"title"`
	Status    int                  `json:"status"`
	Detail    string               `json:"detail"`
	Code      string               `json:"code"`
	RequestID string               `json:"requestId"`
	Errors    []message.FieldError `json:"errors,omitempty"`

	MoreProblems int `json:"moreProblems,omitzero"` // beside Errors

	// The counts of a batch when a failure ended it.
	ID         *string `json:"id,omitempty"`
	Accepted   *int64  `json:"accepted,omitempty"`
	Duplicates *int64  `json:"duplicates,omitempty"`
	Rejected   *int64  `json:"rejected,omitempty"`
}

// newProblem returns a problem with a code of the table.
func newProblem(code, detail string) *problem {
	kind := problemKinds[code]
	return &problem{Type: "/docs#" + code, Title: kind.title, Status: kind.status, Detail: detail, Code: code}
}

// Error implements error.
func (p *problem) Error() string { return p.Code + ": " + p.Detail }

// problemsListed bounds the problems listed for a request.
const problemsListed = 1000

// invalid is the problem of a request that fails validation.
func invalid(errs []message.FieldError) *problem {
	p := newProblem(codeValidation, "The request breaks the rules listed in errors; nothing was done.")
	p.Errors = errs[:min(len(errs), problemsListed)]
	p.MoreProblems = len(errs) - len(p.Errors)
	return p
}

// sentinelProblems are the problems of errors that say nothing beyond themselves; the
// first that matches counts.
var sentinelProblems = []struct {
	err          error
	code, detail string
}{
	{ledger.ErrNotFound, codeNotFound, "There is no such message."},
	{
		callback.ErrExpired, codeCursorExpired,
		"The events after this one are no longer kept; subscribe without it and list what has changed.",
	},
	{callback.ErrTooMany, codeRateLimited, "This key has 20 streams of events; close one."},
	{replay.ErrNotFound, codeNotFound, "There is no such replay."},
	{callback.ErrNotFound, codeNotFound, "There is no such callback."},
	{mediastore.ErrNotFound, codeNotFound, "There is no such media."},
	{mediastore.ErrFull, codeBackpressure, "The store of media is full; nothing was stored."},
	{mediastore.ErrBusy, codeBackpressure, "Too many media are fetched at once; try again."},
	{mediastore.ErrBlobs, codeUnavailable, "The store of media does not answer. The request may be repeated."},
	{suppression.ErrNotFound, codeNotFound, "The number has not opted out."},
	{ledger.ErrReused, codeReferenceReused, "The client reference belongs to a message with other content."},
	{ledger.ErrTenantFull, codeBackpressure, "Your messages have used their share of this lane or of the storage; nothing was accepted."},
	{ledger.ErrFull, codeBackpressure, "Too many messages wait in this lane, or the storage is full; nothing was accepted."},
	{ledger.ErrQuota, codeQuotaExceeded, "This key has accepted as many messages as it may in this UTC day; nothing was accepted."},
	{message.ErrNotCancelable, codeNotCancelable, "The message is no longer waiting: a request to Sinch is under way or has been made."},
	{message.ErrNotReplayable, codeNotReplayable, "The message is still on its way, or was delivered."},
	{message.ErrNotErasable, codeNotErasable, "The message is not final; one that is unknown can be erased with ?force=true."},
	{
		message.ErrForceRequired, codeForceRequired,
		`Sinch may have the message already; sending it again may double it and needs {"force":true}.`,
	},
}

// asProblem maps an error to the problem that the caller gets.
func asProblem(err error) *problem {
	if own, ok := errors.AsType[*problem](err); ok {
		return own
	}
	if syntax, ok := errors.AsType[*strictjson.SyntaxError](err); ok {
		return newProblem(codeInvalidJSON, "The body cannot be parsed: "+syntax.Error()+".")
	}
	if routing, ok := errors.AsType[*echo.HTTPError](err); ok && routing.Code == http.StatusNotFound {
		return newProblem(codeNotFound, "There is no such path.")
	}
	for _, known := range sentinelProblems {
		if errors.Is(err, known.err) {
			return newProblem(known.code, known.detail)
		}
	}
	switch {
	case errors.Is(err, message.ErrNeverSent):
		return invalid([]message.FieldError{{Field: "expiresAt", Code: message.ProblemConflict, Message: "must be after sendAt"}})
	case errors.Is(err, redisconn.ErrUnavailable),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return newProblem(codeUnavailable,
			"The storage does not answer. The request may have taken effect; repeat it with the same reference.")
	default:
		return newProblem(codeInternal, "Something went wrong on our side.")
	}
}

// fail responds with the problem of an error.
func (a *api) fail(err error, c echo.Context) {
	p := asProblem(err)
	if errors.Is(err, echo.ErrMethodNotAllowed) {
		allow := a.allow[c.Path()]
		p = newProblem(codeMethodNotAllowed, "This path answers "+allow+" only.")
		c.Response().Header().Set(echo.HeaderAllow, allow)
	}
	if p.Code == codeInternal || p.Code == codeUnavailable {
		a.Log.Error().Str("request_id", callOf(c).logged).Str("route", c.Path()).Str("code", p.Code).Err(err).Msg("request failed")
	}
	if c.Response().Committed {
		return
	}
	answer := *p
	answer.RequestID = callOf(c).id
	if seconds := problemKinds[p.Code].retryAfter; seconds != "" {
		c.Response().Header().Set(echo.HeaderRetryAfter, seconds)
	}
	if p.Code == codeQuotaExceeded {
		c.Response().Header().Set(echo.HeaderRetryAfter, seconds(untilTomorrow(a.NowFunc()), 1))
	}
	if p.Code == codeUnauthorized && c.Response().Header().Get(echo.HeaderWWWAuthenticate) == "" {
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, `Bearer realm="mms"`)
	}
	streamJSON(c, p.Status, "application/problem+json", answer)
}
