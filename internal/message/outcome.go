package message

import "time"

// ReasonCode is the stable code that tells a caller why a message does not go
// well.
type ReasonCode string

// The reason codes.
const (
	ReasonRecipient        ReasonCode = "recipient"         // the number cannot be reached by MMS
	ReasonSender           ReasonCode = "sender"            // the number it is sent from is refused
	ReasonMedia            ReasonCode = "media"             // a medium cannot be fetched or used
	ReasonContent          ReasonCode = "content"           // text, subject or slides are refused
	ReasonThrottled        ReasonCode = "throttled"         // Sinch asked for a slower pace
	ReasonAccount          ReasonCode = "account"           // the Sinch account is refused
	ReasonSuppressed       ReasonCode = "suppressed"        // the recipient has opted out
	ReasonExpired          ReasonCode = "expired"           // too late
	ReasonRetriesExhausted ReasonCode = "retries_exhausted" // every try was surely not sent
	ReasonUnknownOutcome   ReasonCode = "unknown_outcome"   // a call may or may not have been accepted
	ReasonCarrier          ReasonCode = "carrier"           // the carrier or the handset refused it
	ReasonInternal         ReasonCode = "internal"          // a fault of this service or of Sinch
)

// Reason says why a message does not go well.
type Reason struct {
	Code      ReasonCode
	Message   string // for people; no personal data
	SinchCode string // Sinch's code, word for word; empty when it gave none
}

// OutcomeKind says what is known after a call.
type OutcomeKind string

// The outcomes. Only OutcomeUnknown leaves open whether Sinch has the message.
const (
	OutcomeAccepted  OutcomeKind = "accepted"  // Sinch has it
	OutcomeRefused   OutcomeKind = "refused"   // Sinch refused it for good
	OutcomeNotSent   OutcomeKind = "not_sent"  // surely not sent; uses a try
	OutcomeThrottled OutcomeKind = "throttled" // surely not sent, too fast; uses no try
	OutcomeAccount   OutcomeKind = "account"   // surely not sent, the account is the trouble; uses no try
	OutcomeNotBegun  OutcomeKind = "not_begun" // the attempt was recorded but no call was made; uses no try
	OutcomeGone      OutcomeKind = "gone"      // surely not sent, what was saved for it at Sinch is gone; uses no try
	OutcomeNotReady  OutcomeKind = "not_ready" // surely not sent, what was saved for it is not ready yet; uses no try
	OutcomeUnknown   OutcomeKind = "unknown"   // may or may not have been accepted
)

// Outcome is the result of one attempt.
type Outcome struct {
	Kind       OutcomeKind
	SinchID    string        // Sinch's id of an accepted call
	Code       ReasonCode    // why, when Kind is not OutcomeAccepted
	SinchCode  string        // Sinch's code, word for word; empty when it gave none
	Detail     string        // short, our own words, no personal data
	RetryAfter time.Duration // Sinch's Retry-After; zero when it gave none
	MaxRetries int           // upper bound on retries for this answer; zero: the policy's own
	Suppress   bool          // the recipient is on Sinch's block list
}

// Reason is the outcome as the message's reason.
func (o Outcome) Reason() *Reason {
	return &Reason{Code: o.Code, Message: o.Detail, SinchCode: o.SinchCode}
}

// Retry decides on another try after an outcome that was surely not sent.
type Retry struct {
	// Max is how many tries follow the first.
	Max int
	// Delay is the pause before the try after tries failures in a row.
	Delay func(tries int) time.Duration
}

// ReceiptState is what a receipt proves.
type ReceiptState string

// The receipt states, the weakest first.
const (
	ReceiptNone        ReceiptState = ""            // nothing we know how to read
	ReceiptSent        ReceiptState = "sent"        // Sinch has it
	ReceiptUndelivered ReceiptState = "undelivered" // it did not arrive, and will not
	ReceiptDelivered   ReceiptState = "delivered"   // it arrived
)

// Receipt is what Sinch reports about one attempt.
type Receipt struct {
	Attempt   int
	State     ReceiptState
	SinchID   string
	SentAs    string // MMS, SMS or empty
	Code      ReasonCode
	SinchCode string
	Detail    string // short, our own words, no personal data
}
