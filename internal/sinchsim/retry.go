package sinchsim

import (
	"net/http"
	"time"
)

// verdict is an API's decision about the response to a receipt.
type verdict uint8

const (
	verdictTaken   verdict = iota
	verdictAgain           // retry later
	verdictSlower          // retry later, and delay all other receipts
	verdictDropped         // no retry
)

// RetryRule is an API's rule for the delivery of its receipts.
type RetryRule interface {
	// timeout is the limit for the receiver's response.
	timeout() time.Duration
	// judge decides by the response; err is set when there was none.
	judge(status int, err error) verdict
	// next returns the time of the n-th retry; false: there is none.
	next(n int, firstFailure, now time.Time) (time.Time, bool)
	// pause is the delay of a lane after verdictSlower.
	pause() time.Duration
}

// FixedRetry is the rule of the MMS API: exactly 200 within the time-out, else
// again after a fixed time.
type FixedRetry struct {
	AnswerWithin time.Duration
	After        time.Duration
	Limit        int
}

func (r FixedRetry) timeout() time.Duration { return r.AnswerWithin }

func (r FixedRetry) pause() time.Duration { return 0 }

func (r FixedRetry) judge(status int, err error) verdict {
	if err == nil && status == http.StatusOK {
		return verdictTaken
	}
	return verdictAgain
}

func (r FixedRetry) next(n int, _, now time.Time) (time.Time, bool) {
	return now.Add(r.After), n <= r.Limit
}

// DoublingRetry is the rule of the SMS REST API: any 2xx is an answer, 429 and
// 5xx are retried, every other response drops the receipt. Times count from the
// first failure.
type DoublingRetry struct {
	AnswerWithin time.Duration
	Base         time.Duration
	Limit        int
	SlowDown     time.Duration
}

func (r DoublingRetry) timeout() time.Duration { return r.AnswerWithin }

func (r DoublingRetry) pause() time.Duration { return r.SlowDown }

func (r DoublingRetry) judge(status int, err error) verdict {
	switch {
	case err != nil, status >= http.StatusInternalServerError:
		return verdictAgain
	case status == http.StatusTooManyRequests:
		return verdictSlower
	case status >= http.StatusOK && status < http.StatusMultipleChoices:
		return verdictTaken
	default:
		return verdictDropped
	}
}

// maxDoublings keeps the shift below from overflowing.
const maxDoublings = 20

func (r DoublingRetry) next(n int, firstFailure, now time.Time) (time.Time, bool) {
	due := firstFailure.Add(r.Base << min(n-1, maxDoublings))
	if due.Before(now) {
		due = now
	}
	return due, n <= r.Limit
}
