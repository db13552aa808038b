package redisconn

import "errors"

// KeyPrefix begins every key and channel of the service. The part in braces
// puts all keys that one script touches into one slot of a Redis Cluster.
const KeyPrefix = "mms:{m}:"

// ErrUnavailable says that Redis did not answer or refused to write. The
// command may have been executed all the same. Each store wraps it in an error
// of its own, so that a caller can identify the failed store.
var ErrUnavailable = errors.New("redis unavailable")
