package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mmsdispatch/client/openapi"
)

// Error is the response to a request that the service, or a proxy before it,
// refused. The members of a problem are empty when the response had none.
type Error struct {
	openapi.Problem

	// StatusCode is the HTTP status.
	StatusCode int
	// RetryAfter is how long the service asks to wait; 0: it does not say.
	RetryAfter time.Duration
}

// Error implements error. It has a line for each field that is wrong.
func (e *Error) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d %s", e.StatusCode, http.StatusText(e.StatusCode))
	if e.Code != "" {
		fmt.Fprintf(&text, " (%s)", e.Code)
	}
	if e.Detail != "" {
		text.WriteString(": " + e.Detail)
	}
	for _, one := range e.Errors {
		text.WriteString("\n  ")
		if one.Field != "" {
			text.WriteString(one.Field + ": ")
		}
		text.WriteString(one.Message)
	}
	return text.String()
}

// HasCode reports whether an error is a problem with a code.
func HasCode(err error, code openapi.ProblemCode) bool {
	problem, ok := errors.AsType[*Error](err)
	return ok && problem.Code == code
}

// The bounds of what is read of a response, in bytes. A batch of 10,000 messages
// has the longest.
const (
	maxProblem  = 1 << 20
	maxResponse = 64 << 20
)

// Read returns the value of a response of the generated client, or the *Error that
// it is. It closes the response.
func Read[T any](res *http.Response, err error) (T, error) {
	var value T
	if err := check(res, err); err != nil {
		return value, err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(io.LimitReader(res.Body, maxResponse)).Decode(&value); err != nil {
		return value, fmt.Errorf("read the response: %w", err)
	}
	return value, nil
}

// done is Read for a response without a value.
func done(res *http.Response, err error) error {
	if err = check(res, err); err == nil {
		discard(res)
	}
	return err
}

// check returns the error that a response is, and closes it then.
func check(res *http.Response, err error) error {
	if err != nil {
		return withoutURL(err)
	}
	if res.StatusCode < http.StatusBadRequest {
		return nil
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxProblem)) // a part of a problem is none
	return NewError(res.StatusCode, res.Header, text)
}

// NewError returns the error that a response is.
func NewError(statusCode int, header http.Header, body []byte) *Error {
	e := &Error{StatusCode: statusCode, RetryAfter: retryAfter(header)}
	if json.Unmarshal(body, &e.Problem) != nil {
		e.Problem = openapi.Problem{}
	}
	return e
}

// NoResponseError is the error of a request without a response: the service cannot
// be reached, the connection broke, or the context ended.
type NoResponseError struct{ Err error }

// Error implements error.
func (e *NoResponseError) Error() string { return "no response: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *NoResponseError) Unwrap() error { return e.Err }

// withoutURL leaves the URL out of an error, whose query may have a number.
func withoutURL(err error) error {
	if sent, ok := errors.AsType[*url.Error](err); ok {
		err = sent.Err
	}
	return &NoResponseError{Err: err}
}
