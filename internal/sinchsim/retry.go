package sinchsim

import (
	"net/http"
	"time"
)

// verdict is what an API makes of the answer to a receipt.
type verdict uint8

const (
	verdictTaken   verdict = iota
	verdictAgain           // ask again later
	verdictSlower          // ask again later, and everything else too
	verdictDropped         // never again
)

// RetryRule is how an API delivers its receipts.
type RetryRule interface {
	// timeout is how long the receiver may take.
	timeout() time.Duration
	// judge reads the answer; err is set when there was none.
	judge(status int, err error) verdict
	// next is when the n-th retry is due; false when there is none.
	next(n int, firstFailure, now time.Time) (time.Time, bool)
	// pause is how long a lane rests after verdictSlower.
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
// 5xx come again, every other answer drops the receipt. Times count from the
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
