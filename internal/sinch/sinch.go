// Package sinch is the boundary between the dispatcher and the Sinch APIs that can
// send an MMS: the Provider interface, the outcomes of a call and the code tables
// that decide between them. Each API has a sub-package.
package sinch

import (
	"context"
	"errors"
	"time"
)

// API is one of the Sinch APIs: the value of SINCH_API, and the ledger's record of
// every attempt.
type API string

// The supported APIs.
const (
	APIMMS          API = "mms"
	APIBatches      API = "batches"
	APIConversation API = "conversation"
	APISimulator    API = "simulator"
)

// Provider sends one MMS through one Sinch API.
type Provider interface {
	// Send makes one HTTP call that Sinch may accept and never repeats it, unless
	// Sinch's response shows that it was not processed (an expired token). It returns only
	// when the call is over or m.Deadline has passed; cancelling ctx ends the
	// wait early and counts as an unknown outcome unless nothing was written.
	Send(ctx context.Context, m Message) Outcome
	// Origin is the account of the calls; a later lookup must use the same one.
	Origin() Origin
}

// Bulk is a Provider whose calls can have several recipients.
type Bulk interface {
	Provider
	// SendMany is Send to several recipients, from 1 to MaxRecipients and each of
	// them once, in place of m.To. Sinch accepts or refuses the call as a whole.
	SendMany(ctx context.Context, m Message, to []string) Outcome
	// MaxRecipients is the maximum number of recipients of one call.
	MaxRecipients() int
}

// Finder is a Provider that can be queried later whether a call was accepted.
type Finder interface {
	// Find queries Sinch for a call. found is false when the response proves that there
	// is none. err is set when the query failed; it is a *SkewError when
	// the answer proves nothing since the clocks differ, and wraps ErrNotKept when
	// another lookup would fail as well.
	Find(ctx context.Context, c Call) (sinchID string, found bool, err error)
}

// Saver is a Provider that can save text and media at Sinch, which then fetches the
// media once for all messages.
type Saver interface {
	// Save makes one HTTP call. It is no attempt of a message, and may be repeated.
	// SinchID of an accepted outcome is the value for Message.SavedID.
	Save(ctx context.Context, s Shared) Outcome
	// Encodes reports whether Sinch has to encode what is saved, so that it is
	// not ready at once.
	Encodes(media []Media) bool
}

// Shared is content that several messages have in common.
type Shared struct {
	Ref      string // in Sinch's report that it is ready (printable ASCII, at most 64)
	Text     string // may be empty
	Media    []Media
	Deadline time.Time // as of a Message
}

// ErrNotKept means that Sinch does not retain calls, so the absence of one proves nothing.
var ErrNotKept = errors.New("sinch does not retain calls")

// Call identifies a call for a lookup.
type Call struct {
	Ref   string    // its client reference
	To    string    // E.164
	Begun time.Time // when the ledger recorded its begin the ledger recorded its begin
}

// Origin is the account of a call.
type Origin struct {
	API     API    // which API
	BaseURL string // scheme, host and port, without credentials
	Account string // service plan, project/app or empty
}

// Message is what a Provider needs to make one call.
type Message struct {
	Ref          string    // of the attempt or the multi-recipient call, sent as Sinch's client reference (printable ASCII, at most 64)
	To           string    // E.164
	From         string    // E.164 or short code, with or without +
	Subject      string    // empty: the provider applies its default
	Text         string    // may be empty
	Media        []Media   // up to 8; none: Text is sent alone
	SavedID      string    // Sinch's id of the saved Text and Media; empty: not saved
	FallbackText string    // text of the SMS sent instead; empty: no fallback
	ExpiresAt    time.Time // zero: Sinch's default
	Deadline     time.Time // local time after which no byte may be sent
}

// Media is one media URL of a message.
type Media struct {
	URL         string
	ContentType string // as checked before the call; empty when not checked
	Still       bool   // the first picture of an animation that does not fit
}
