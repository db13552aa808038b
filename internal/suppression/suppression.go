// Package suppression keeps the opt-outs: who must not be written to, by whom
// and since when. It is fed by callers, by what people answer to a message
// (STOP, START) and by Sinch's own block list.
package suppression

import (
	"errors"
	"fmt"
	"time"

	"mmsdispatch/internal/redisconn"
)

var (
	// ErrNotFound says that there is no such opt-out.
	ErrNotFound = errors.New("no such opt-out")
	// ErrUnavailable is redisconn.ErrUnavailable of the opt-outs.
	ErrUnavailable = fmt.Errorf("opt-outs: %w", redisconn.ErrUnavailable)
)

// unavailable marks a failure of Redis as such.
func unavailable(what string, err error) error {
	return fmt.Errorf("%s: %w: %w", what, ErrUnavailable, err)
}

// Source says where an opt-out came from.
type Source string

// The sources.
const (
	SourceAPI     Source = "api"     // a caller
	SourceInbound Source = "inbound" // the phone itself
	SourceSinch   Source = "sinch"   // Sinch refused to send to it
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

// heardKey lists the STOPs of all numbers by time.
const heardKey = redisconn.KeyPrefix + "optouts:heard"

// listPrefix begins the keys of the lists of scopes.
const listPrefix = redisconn.KeyPrefix + "optouts:"

// listKey lists the opt-outs of a scope by time.
func listKey(scope string) string { return listPrefix + scope }
