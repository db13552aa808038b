// Package suppression keeps the opt-outs: who must not be written to, by whom
// and since when. It is fed by callers, by what people answer to a message
// (STOP, START) and by Sinch's own block list.
package suppression

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNotFound says that there is no such opt-out.
	ErrNotFound = errors.New("no such opt-out")
	// ErrUnavailable says that Redis did not answer or refused to write. What
	// was asked for may have happened all the same.
	ErrUnavailable = errors.New("opt-outs unavailable")
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

// prefix begins every key. The part in braces is that of the ledger, whose
// scripts look whether a number has a record here.
const prefix = "mms:{m}:optout:"

// Key is the key of what is known about a number. Where it does not exist,
// nobody has opted the number out.
func Key(number string) string { return prefix + number }

// heardKey lists the STOPs of all numbers by time.
const heardKey = "mms:{m}:optouts:heard"

// listKey lists the opt-outs of a scope by time.
func listKey(scope string) string { return "mms:{m}:optouts:" + scope }
