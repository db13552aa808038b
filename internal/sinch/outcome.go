package sinch

import "mmsdispatch/internal/message"

// Aliases of the outcomes, which belong to the domain, for the adapters.
type (
	// Outcome is the result of one call.
	Outcome = message.Outcome
	// OutcomeKind classifies the result of a call.
	OutcomeKind = message.OutcomeKind
	// ReasonCode is the stable code shown to callers in a message's reason.
	ReasonCode = message.ReasonCode
)

// The outcomes a call can have.
const (
	Accepted  = message.OutcomeAccepted
	Refused   = message.OutcomeRefused
	NotSent   = message.OutcomeNotSent
	Throttled = message.OutcomeThrottled
	Account   = message.OutcomeAccount
	Gone      = message.OutcomeGone
	NotReady  = message.OutcomeNotReady
	Unknown   = message.OutcomeUnknown
)

// The reason codes a call can lead to.
const (
	ReasonRecipient        = message.ReasonRecipient
	ReasonSender           = message.ReasonSender
	ReasonMedia            = message.ReasonMedia
	ReasonContent          = message.ReasonContent
	ReasonThrottled        = message.ReasonThrottled
	ReasonAccount          = message.ReasonAccount
	ReasonSuppressed       = message.ReasonSuppressed
	ReasonExpired          = message.ReasonExpired
	ReasonRetriesExhausted = message.ReasonRetriesExhausted
	ReasonUnknownOutcome   = message.ReasonUnknownOutcome
	ReasonCarrier          = message.ReasonCarrier
	ReasonInternal         = message.ReasonInternal
)
