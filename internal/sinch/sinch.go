// Package sinch is the seam between the dispatcher and the Sinch APIs that
// can send an MMS: the Provider interface, the outcomes a call can have and
// the code tables that decide between them. One sub-package speaks one API.
package sinch

import (
	"context"
	"errors"
	"time"
)

// API names one of the Sinch APIs. The value is what SINCH_API holds and what
// the ledger records with every attempt.
type API string

// The APIs this service can send through.
const (
	APIMMS          API = "mms"
	APIBatches      API = "batches"
	APIConversation API = "conversation"
	APISimulator    API = "simulator"
)

// Provider sends one MMS through one Sinch API.
type Provider interface {
	// Send makes one HTTP call that Sinch may accept and never repeats it, unless
	// Sinch said that it did not look at it (an expired token). It returns only
	// when the call is over or m.Deadline has passed; cancelling ctx ends the
	// wait early and counts as an unknown outcome unless nothing was written.
	Send(ctx context.Context, m Message) Outcome
	// Origin names where calls go, so that a later look-up is made against the
	// same account and nothing else.
	Origin() Origin
}

// Bulk is a Provider whose calls can have several recipients.
type Bulk interface {
	Provider
	// SendMany is Send to several recipients, from 1 to MaxRecipients and each of
	// them once, in place of m.To. Sinch accepts or refuses the call as a whole.
	SendMany(ctx context.Context, m Message, to []string) Outcome
	// MaxRecipients is how many recipients one call can have.
	MaxRecipients() int
}

// Finder is a Provider that can be asked later whether a call was accepted.
type Finder interface {
	// Find looks for a call. found is false when Sinch answered and knew of no
	// such call. err is set when Sinch could not be asked; it is a *SkewError when
	// the answer proves nothing since the clocks differ, and wraps ErrNotKept when
	// another look-up would not help.
	Find(ctx context.Context, c Call) (sinchID string, found bool, err error)
}

// Saver is a Provider that can keep text and media of messages at Sinch, which
// then gets the media once for all of them and not again for each.
type Saver interface {
	// Save makes one HTTP call. It is no attempt of a message, and saving twice
	// does no harm. SinchID of an accepted outcome is what Message.SavedID takes.
	Save(ctx context.Context, s Shared) Outcome
	// Encodes reports whether Sinch has to encode what is saved, so that it is
	// not ready at once.
	Encodes(media []Media) bool
}

// Shared is what many messages have in common.
type Shared struct {
	Ref      string // comes back in the report that it is ready (printable ASCII, at most 64)
	Text     string // may be empty
	Media    []Media
	Deadline time.Time // as of a Message
}

// ErrNotKept says that Sinch keeps no calls to be asked about, so that the
// absence of one proves nothing.
var ErrNotKept = errors.New("sinch keeps no calls")

// Call is a call that was made, as a look-up needs it.
type Call struct {
	Ref   string    // what it carried as client reference
	To    string    // E.164
	Begun time.Time // when
}

// Origin is the account a call was made against.
type Origin struct {
	API     API    // which API
	BaseURL string // scheme, host and port, without credentials
	Account string // service plan, project/app or empty
}

// Message is what a Provider needs to make one call.
type Message struct {
	Ref          string    // of the attempt or the shared call, sent as Sinch's client reference (printable ASCII, at most 64)
	To           string    // E.164
	From         string    // E.164 or short code, with or without +
	Subject      string    // empty: the provider applies its default
	Text         string    // may be empty
	Media        []Media   // 1 to 8
	SavedID      string    // what Text and Media are saved as; empty: they are sent along
	FallbackText string    // text of the SMS sent instead; empty: no fallback
	ExpiresAt    time.Time // zero: Sinch's default
	Deadline     time.Time // local time after which not one byte may leave
}

// Media is one media URL of a message.
type Media struct {
	URL         string
	ContentType string // as checked before the call; empty when not checked
}
