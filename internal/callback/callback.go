// Package callback reports the changes of messages to their applications. The consumer
// turns the changes that the ledger lists into events, each of them once; the sender
// delivers the events to the URLs of the callers, as Standard Webhooks; and the
// stream keeps the latest of them for subscribers.
package callback

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
)

var (
	// ErrNotFound says that there is no such configuration or delivery.
	ErrNotFound = errors.New("no such callback")
	// ErrUnavailable is redisconn.ErrUnavailable of the callbacks.
	ErrUnavailable = fmt.Errorf("callbacks: %w", redisconn.ErrUnavailable)
)

// unavailable marks a failure of Redis as such.
func unavailable(what string, err error) error {
	return fmt.Errorf("%s: %w: %w", what, ErrUnavailable, err)
}

// Type is the type of an event.
type Type string

// The types of events that are about no state of a message.
const (
	TypeReceived      Type = "message.received" // from a phone
	TypeBatchDone     Type = "batch.done"
	TypeOptOutAdded   Type = "optout.added"
	TypeOptOutRemoved Type = "optout.removed"
	TypeTest          Type = "test"
)

// typeOf is the type of the event of a state; empty: the state has none.
func typeOf(s message.Status) Type {
	if s == message.StatusScheduled {
		return ""
	}
	return Type("message." + string(s))
}

// Types are those that a configuration may name.
func Types() []Type {
	all := make([]Type, 0, len(message.Statuses())+4)
	for _, s := range message.Statuses() {
		if t := typeOf(s); t != "" {
			all = append(all, t)
		}
	}
	return append(all, TypeReceived, TypeBatchDone, TypeOptOutAdded, TypeOptOutRemoved)
}

// DefaultTypes are those of a configuration that names none.
func DefaultTypes() []Type {
	var some []Type
	for _, t := range Types() {
		if t != typeOf(message.StatusQueued) && t != typeOf(message.StatusSending) {
			some = append(some, t)
		}
	}
	return some
}

// The keys in Redis. All have one hash tag, since scripts touch several of them.
const (
	prefix       = redisconn.KeyPrefix + "callback:"
	endpointsKey = prefix + "endpoints" // by the time of their first delivery that is due
	scopesKey    = prefix + "scopes"    // those that have events
	countsKey    = prefix + "counts"    // pending deliveries
	outboxKey    = prefix + "outbox"    // events that are about no state of a message
	batchesKey   = redisconn.KeyPrefix + "changed:batches"

	deliveryKeyPrefix = prefix + "delivery:"
)

func configKey(scope string) string      { return prefix + "config:" + scope }
func deliveryKey(id string) string       { return deliveryKeyPrefix + id }
func deliveriesKey(scope string) string  { return prefix + "deliveries:" + scope }
func dueKey(endpoint string) string      { return prefix + "due:" + endpoint }
func seenKey(subject string) string      { return prefix + "seen:" + subject }
func streamKey(scope string) string      { return redisconn.KeyPrefix + "events:" + scope }
func subscribersKey(keyID string) string { return redisconn.KeyPrefix + "subscribers:" + keyID }

// parseScope is the reverse of message.Scope.String.
func parseScope(text string) (message.Scope, bool) {
	tenant, kind, found := strings.Cut(text, ":")
	return message.Scope{Tenant: tenant, Test: kind == "test"}, found
}

// deliveryPrefix begins the id of a delivery.
const deliveryPrefix = "dlv_"

// deliveryID is the id of the delivery of entry n of a message. It is the same
// whenever it is made.
func deliveryID(id message.ID, n int) string {
	return deliveryPrefix + id.Short() + "-" + strconv.Itoa(n)
}

// entryOf is the reverse of deliveryID.
func entryOf(id string) (message.ID, int, bool) {
	short, found := strings.CutPrefix(id, deliveryPrefix)
	if !found {
		return "", 0, false
	}
	m, n, err := message.ParseAttemptRef("msg_" + short)
	return m, n, err == nil
}

// endpointOf names the receiver of a URL: deliveries to one host wait together, and
// for no other.
func endpointOf(scope, address string) string {
	origin := address
	if u, err := url.Parse(address); err == nil {
		origin = u.Scheme + "://" + u.Host
	}
	const chars = 24
	sum := sha256.Sum256([]byte(scope + " " + origin))
	return hex.EncodeToString(sum[:])[:chars]
}

func millis(t time.Time) int64 { return t.UnixMilli() }

// instant reads a time in Unix milliseconds; zero: there is none.
func instant(text string) time.Time {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
