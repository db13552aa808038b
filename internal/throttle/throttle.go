// Package throttle decides when a request to Sinch may begin. Its limits are
// shared by all worker processes through Redis, and adapt to the outcomes of
// requests.
//
// [Limiter] is the entry point: it grants a [Permit] for each request, which ends
// with a report of the outcome. It joins three limits:
//
//   - [Pacer] is the pace: requests a second over all processes, the high
//     lane first, slower for a while after 429 responses.
//   - [Gate] is the pause of the account: after a response that concerns the
//     account, not the message, no request begins for a while; then one
//     message at a time probes whether the account works again.
//   - [Breaker] protects against a Sinch that does not respond at all: after
//     many failures in a row no request begins for a while, then one probes.
//     Each process has its own, since only its own network may be down.
//
// A caller waits at most MaxWait, so that the slots of a worker do not fill with
// waiting messages; a denied caller gets the time of its next try. All shared
// state uses Redis' clock, never a worker's.
// takes Redis' clock, never a worker's.
package throttle

import (
	"time"

	"mmsdispatch/internal/redisconn"
)

const (
	// DefaultMaxWait bounds the wait of a caller.
	DefaultMaxWait = 2 * time.Second
	// DefaultPrefix begins every key unless options say otherwise.
	DefaultPrefix = redisconn.KeyPrefix

	// takeTimeout bounds a query to Redis that several callers wait for.
	takeTimeout = 1500 * time.Millisecond
	// reportTimeout bounds the report of an outcome.
	reportTimeout = 2 * time.Second
	// retryUnavailable is the time until the next try after a failure of Redis.
	retryUnavailable = 2 * time.Second
)
