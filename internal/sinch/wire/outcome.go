package wire

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"mmsdispatch/internal/sinch"
)

// Failure is the outcome of a call that got no answer.
func Failure(err error) sinch.Outcome {
	var notSent *NotSentError
	if errors.As(err, &notSent) {
		return sinch.Outcome{Kind: sinch.NotSent, Code: sinch.ReasonInternal, Detail: notSent.Error()}
	}
	return Doubt(err.Error())
}

// Doubt is the outcome of a call that may have been accepted.
func Doubt(detail string) sinch.Outcome {
	return sinch.Outcome{Kind: sinch.Unknown, Code: sinch.ReasonUnknownOutcome, Detail: detail}
}

// ByStatus is the outcome that the HTTP status alone decides, on any API: 429
// says too fast; 401, 404 and 403 say that the account or its address is
// wrong; 405 and 415 say that the call is. None of them was processed. All
// else, every 5xx included, leaves it open whether it was.
func ByStatus(status int, header http.Header, now time.Time) sinch.Outcome {
	code := strconv.Itoa(status)
	switch status {
	case http.StatusTooManyRequests:
		return sinch.Outcome{
			Kind: sinch.Throttled, Code: sinch.ReasonThrottled, SinchCode: code, Detail: "Sinch asked for a slower pace",
			RetryAfter: retryAfter(header.Get("Retry-After"), now),
		}
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return sinch.Outcome{
			Kind: sinch.Account, Code: sinch.ReasonAccount, SinchCode: code, Detail: "Sinch refused the account",
		}
	case http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType:
		return sinch.Outcome{Kind: sinch.NotSent, Code: sinch.ReasonInternal, SinchCode: code, Detail: "Sinch refused the form of the call"}
	default:
		o := Doubt("answer that says nothing about the message")
		o.SinchCode = code
		return o
	}
}

// maxRetryAfter bounds what a server can ask for.
const maxRetryAfter = time.Hour

// retryAfter reads the header, seconds or a date (RFC 9110, 10.2.3).
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil {
		return clamp(time.Duration(min(seconds, int(maxRetryAfter/time.Second))) * time.Second)
	}
	if at, err := http.ParseTime(value); err == nil {
		return clamp(at.Sub(now))
	}
	return 0
}

func clamp(d time.Duration) time.Duration { return min(max(d, 0), maxRetryAfter) }
