// Package suppression stores the opt-outs: the numbers to which a tenant must not
// send, with sender and time. Their sources are callers, inbound messages (STOP,
// START) and Sinch's block list.
package suppression

import (
	"errors"
	"fmt"
	"time"

	"mmsdispatch/internal/redisconn"
)

var (
	// ErrNotFound is returned for an opt-out that does not exist.
	ErrNotFound = errors.New("no such opt-out")
	// ErrUnavailable is redisconn.ErrUnavailable of the opt-outs.
	ErrUnavailable = fmt.Errorf("opt-outs: %w", redisconn.ErrUnavailable)
)

// unavailable wraps an error of Redis as ErrUnavailable.
func unavailable(operation string, err error) error {
	return fmt.Errorf("%s: %w: %w", operation, ErrUnavailable, err)
}

// Source is the source of an opt-out.
type Source string

// The sources.
const (
	SourceAPI     Source = "api"     // a caller
	SourceInbound Source = "inbound" // a message from the phone
	SourceSinch   Source = "sinch"   // Sinch refused to send to the number
)

// EverySender stands for all senders of a tenant.
const EverySender = ""

// Entry is one opt-out as a tenant sees it.
type Entry struct {
	Number    string // E.164
	Sender    string // as messages name it; EverySender
	Reason    string // empty: none was given
	Source    Source
	CreatedAt time.Time
}

// covers reports whether nothing may be sent from sender.
func (e Entry) covers(sender string) bool { return e.Sender == EverySender || e.Sender == sender }

// recordPrefix begins the keys of the records of numbers.
const recordPrefix = redisconn.KeyPrefix + "optout:"

// stopsKey lists the STOPs of all numbers by time.
const stopsKey = redisconn.KeyPrefix + "optouts:heard"

// listPrefix begins the keys of the lists of scopes.
const listPrefix = redisconn.KeyPrefix + "optouts:"

// listKey lists the opt-outs of a scope by time.
func listKey(scope string) string { return listPrefix + scope }
