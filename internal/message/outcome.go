package message

import "time"

// ReasonCode is the stable code of the reason for a state. Callers may rely on it.
type ReasonCode string

// The reason codes.
const (
	ReasonRecipient        ReasonCode = "recipient"         // the number cannot be reached by MMS
	ReasonSender           ReasonCode = "sender"            // Sinch refuses the sender
	ReasonMedia            ReasonCode = "media"             // the media cannot be fetched or used
	ReasonContent          ReasonCode = "content"           // Sinch refuses the text, the subject or the slides
	ReasonThrottled        ReasonCode = "throttled"         // Sinch limits the rate
	ReasonAccount          ReasonCode = "account"           // Sinch refuses the account
	ReasonSuppressed       ReasonCode = "suppressed"        // the recipient has opted out
	ReasonExpired          ReasonCode = "expired"           // its ExpiresAt has passed
	ReasonRetriesExhausted ReasonCode = "retries_exhausted" // the retry limit is reached, and nothing was sent
	ReasonUnknownOutcome   ReasonCode = "unknown_outcome"   // Sinch may or may not have accepted an attempt
	ReasonCarrier          ReasonCode = "carrier"           // the carrier or the handset refused it
	ReasonInternal         ReasonCode = "internal"          // a fault of this service or of Sinch
)

// ReasonCodes lists every code.
func ReasonCodes() []ReasonCode {
	return []ReasonCode{
		ReasonRecipient, ReasonSender, ReasonMedia, ReasonContent, ReasonThrottled, ReasonAccount, ReasonSuppressed, ReasonExpired,
		ReasonRetriesExhausted, ReasonUnknownOutcome, ReasonCarrier, ReasonInternal,
	}
}

// Reason explains the state of a message.
type Reason struct {
	Code      ReasonCode
	Message   string // English text without personal data
	SinchCode string // Sinch's code, verbatim; empty when it gave none
}

// OutcomeKind is the kind of an outcome.
type OutcomeKind string

// The outcomes. Only OutcomeUnknown leaves open whether Sinch has accepted the message.
const (
	OutcomeAccepted  OutcomeKind = "accepted"  // Sinch has accepted it
	OutcomeRefused   OutcomeKind = "refused"   // Sinch has refused it permanently
	OutcomeNotSent   OutcomeKind = "not_sent"  // not sent; counts against the retry limit
	OutcomeThrottled OutcomeKind = "throttled" // not sent, because of a rate limit; does not count
	OutcomeAccount   OutcomeKind = "account"   // not sent, because Sinch refuses the account; does not count
	OutcomeNotBegun  OutcomeKind = "not_begun" // recorded, but the request was never made; does not count
	OutcomeGone      OutcomeKind = "gone"      // not sent, its media saved at Sinch are gone; does not count
	OutcomeNotReady  OutcomeKind = "not_ready" // not sent, its media saved at Sinch are not ready; does not count
	OutcomeUnknown   OutcomeKind = "unknown"   // Sinch may or may not have accepted it
)

// Outcome is the result of one attempt.
type Outcome struct {
	Kind       OutcomeKind
	SinchID    string        // Sinch's id of an accepted attempt
	Code       ReasonCode    // reason, when Kind is not OutcomeAccepted
	SinchCode  string        // Sinch's code, verbatim; empty when it gave none
	Detail     string        // short English text without personal data
	RetryAfter time.Duration // Sinch's Retry-After; zero when it gave none
	MaxRetries int           // retry limit of this outcome; zero: that of the policy
	Suppress   bool          // the recipient is on Sinch's block list
	Phases     *Phases       // of the request; nil: not known
}

// Reason is the outcome as the message's reason.
func (o Outcome) Reason() *Reason {
	return &Reason{Code: o.Code, Message: o.Detail, SinchCode: o.SinchCode}
}

// Retry is the retry policy of attempts that were not sent.
type Retry struct {
	// Max is the number of retries after the first attempt.
	Max int
	// Delay is the pause after the given number of failures in a row.
	Delay func(tries int) time.Duration
}

// ReceiptState is the state that a receipt proves.
type ReceiptState string

// The receipt states, the weakest first.
const (
	ReceiptNone        ReceiptState = ""            // a state that this service does not know
	ReceiptSent        ReceiptState = "sent"        // Sinch has accepted it
	ReceiptUndelivered ReceiptState = "undelivered" // it will not be delivered
	ReceiptDelivered   ReceiptState = "delivered"   // it was delivered
)

// Receipt is Sinch's report on one attempt.
type Receipt struct {
	Attempt   int
	State     ReceiptState
	SinchID   string
	SentAs    string // MMS, SMS or empty
	Operator  string // the carrier's id of the recipient; empty: not named
	Code      ReasonCode
	SinchCode string
	Detail    string // short English text without personal data
}
