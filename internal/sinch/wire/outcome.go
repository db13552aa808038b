package wire

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"mmsdispatch/internal/sinch"
)

// Failure is the outcome of a call without a response.
func Failure(err error) sinch.Outcome {
	if notSent, ok := errors.AsType[*NotSentError](err); ok {
		return sinch.Outcome{Kind: sinch.NotSent, Code: sinch.ReasonInternal, Detail: string(notSent.Cause)}
	}
	if unknown, ok := errors.AsType[*UnknownError](err); ok {
		return Unknown(string(unknown.Cause))
	}
	return Unknown("failed")
}

// Unknown is the outcome of a call that may have been accepted.
func Unknown(detail string) sinch.Outcome {
	return sinch.Outcome{Kind: sinch.Unknown, Code: sinch.ReasonUnknownOutcome, Detail: detail}
}

// Unreadable is the outcome of a response whose status means acceptance and whose
// body lacks the id.
func Unreadable(r Response) sinch.Outcome {
	if r.Partial {
		return Unknown(fmt.Sprintf("HTTP %d with a body that was cut off or is too long", r.Status))
	}
	return Unknown(fmt.Sprintf("HTTP %d with an unreadable body of %d bytes", r.Status, len(r.Body)))
}

// ByStatus is the outcome by the HTTP status alone, on any API: 429 is throttling;
// 401, 404 and 403 are a wrong account or address; 405 and 415 are a gateway that
// does not route the call, which is retried since the message is not the cause. None
// of them was processed. For any other status, 5xx included, the outcome is unknown.
//
// A status is not a code: 401 and 404 are also codes of delivery reports, with
// another meaning. So the detail contains it and SinchCode stays empty.
func ByStatus(r Response, now time.Time) sinch.Outcome {
	o := sinch.Outcome{}
	switch r.Status {
	case http.StatusTooManyRequests:
		o.Kind, o.Code, o.Detail = sinch.Throttled, sinch.ReasonThrottled, "demanded a lower rate"
		o.RetryAfter = retryAfter(r.Header.Get("Retry-After"), now)
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		o.Kind, o.Code, o.Detail = sinch.Account, sinch.ReasonAccount, "the account or its address was refused"
	case http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType:
		o.Kind, o.Code, o.Detail = sinch.NotSent, sinch.ReasonInternal, "the form of the call was refused"
	default:
		o = Unknown("the answer says nothing about the message")
	}
	o.Detail = fmt.Sprintf("HTTP %d: %s", r.Status, o.Detail)
	return o
}

// maxRetryAfter bounds the delay that a server can request.
const maxRetryAfter = time.Hour

// retryAfter reads the header, seconds or a date (RFC 9110, 10.2.3).
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return clamp(time.Duration(seconds) * time.Second)
	}
	if value != "" && strings.Trim(value, "0123456789") == "" {
		return maxRetryAfter // a number too large to read
	}
	if at, err := http.ParseTime(value); err == nil {
		return clamp(at.Sub(now))
	}
	return 0
}

func clamp(d time.Duration) time.Duration { return min(max(d, 0), maxRetryAfter) }
