// Package throttle decides when a call to Sinch may begin, together with every
// other worker process, through Redis, and by the outcomes of its own calls.
//
// [Limiter] is the way in: it gives a [Permit] for each call, and is told the
// outcome. It joins three limits:
//
//   - [Pacer] is the pace: so many calls a second over all processes, the high
//     lane first, slower for a while when Sinch answers that it is too fast.
//   - [Gate] is the pause of the account: after an answer that is about the
//     account, not about the message, no call begins for a while; then one
//     message at a time probes whether the account works again.
//   - [Breaker] is for a Sinch that does not answer at all: after many calls in
//     a row no call begins for a while, then one probes. Each process has its
//     own, since it may be its own network that is down.
//
// A caller waits for at most MaxWait, so that a worker's slots do not fill with
// waiting messages, and is then told when to come back. All that is shared
// takes Redis' clock, never a worker's.
package throttle

import (
	"time"

	"mmsdispatch/internal/redisconn"
)

const (
	// DefaultMaxWait is how long a caller waits before it is sent away.
	DefaultMaxWait = 2 * time.Second
	// DefaultPrefix begins every key unless options say otherwise.
	DefaultPrefix = redisconn.KeyPrefix

	// takeTimeout bounds a question to Redis that several callers wait for.
	takeTimeout = 1500 * time.Millisecond
	// reportTimeout bounds how long a call waits after its outcome is known.
	reportTimeout = 2 * time.Second
	// retryUnavailable is when to come back after a fault of Redis.
	retryUnavailable = 2 * time.Second
)
