package sinchsim

import (
	"fmt"
	"net/http"
)

// API names a Sinch API in records and receipts.
type API string

// The simulated APIs.
const (
	APIMMS          API = "mms"
	APIBatches      API = "batches"
	APIConversation API = "conversation"
)

// Answer is the response of a call.
type Answer string

// The answers. The zero Answer is AnswerOK.
const (
	AnswerOK       Answer = "ok"       // the API's own answer of success
	AnswerRefuse   Answer = "refuse"   // the API's own error, Behavior.Code
	AnswerThrottle Answer = "throttle" // the API's own "too fast": E113, 429
	AnswerHTTP     Answer = "http"     // Behavior.Status and Body, unchanged
	AnswerHTML     Answer = "html"     // 200 with a web page
	AnswerHang     Answer = "hang"     // no response until the client disconnects
	AnswerReset    Answer = "reset"    // TCP reset
	AnswerDrop     Answer = "drop"     // the connection is closed without a reset
	AnswerBroken   Answer = "broken"   // success with a body that is not JSON
	AnswerCut      Answer = "cut"      // success, closed in the middle of the body
)

// Behavior is the simulator's reaction to a call. Its two halves are independent: the
// acceptance of the message (counted, stored, receipts follow) and the response to
// the client.
type Behavior struct {
	Answer Answer `json:"answer,omitzero"`
	// Accept overrides the acceptance that Answer implies: ok, hang, drop, broken and cut
	// accept, all others do not.
	Accept *bool `json:"accept,omitzero"`
	// Delay is the time between acceptance and response, in addition to the latency.
	Delay Duration `json:"delay,omitzero"`
	// Code is the error of AnswerRefuse: E110, illegal_number_type,
	// INVALID_ARGUMENT, …
	Code string `json:"code,omitzero"`
	// Status, Body and Headers belong to AnswerHTTP. Body is JSON unless
	// Headers say otherwise.
	Status  int               `json:"status,omitzero"`
	Body    string            `json:"body,omitzero"`
	Headers map[string]string `json:"headers,omitzero"`
	// Receipts are the receipts of an accepted message.
	Receipts Receipts `json:"receipts,omitzero"`
}

// Receipts describe the delivery receipts of an accepted message.
type Receipts struct {
	// Outcome is the outcome of the message (OutcomeDelivered).
	Outcome Outcome `json:"outcome,omitzero"`
	// Codes replace Outcome by a list of codes: N101, E999 or
	// 401, 417 or QUEUED_ON_CHANNEL, CHANNEL_FAILURE.
	Codes []string `json:"codes,omitzero"`
	// Delay is the time to the first receipt, Step the one between two; 0 is the
	// simulator's default.
	Delay Duration `json:"delay,omitzero"`
	Step  Duration `json:"step,omitzero"`
	// Early delays the response until the first receipt was delivered.
	Early bool `json:"early,omitzero"`
	// Duplicate delivers every receipt twice.
	Duplicate bool `json:"duplicate,omitzero"`
	// Reorder delivers the last receipt first.
	Reorder bool `json:"reorder,omitzero"`
}

// Outcome is the outcome of an accepted message, for every API.
type Outcome string

// The outcomes. The zero Outcome is OutcomeDelivered.
const (
	OutcomeDelivered Outcome = "delivered"
	OutcomeRejected  Outcome = "rejected"   // by carrier or handset
	OutcomeFailed    Outcome = "failed"     // could not be sent
	OutcomeExpired   Outcome = "expired"    // ran out of time
	OutcomeMedia     Outcome = "media"      // the media is unusable
	OutcomeBlocked   Outcome = "blocked"    // the recipient opted out
	OutcomeSMS       Outcome = "sms"        // delivered as fallback SMS
	OutcomeSMSFailed Outcome = "sms_failed" // not even as SMS
	OutcomeSent      Outcome = "sent"       // sent to the carrier, no further receipt
	OutcomeNone      Outcome = "none"       // no receipt at all
)

func (b Behavior) answer() Answer {
	if b.Answer == "" {
		return AnswerOK
	}
	return b.Answer
}

func (b Behavior) accepts() bool {
	if b.Accept != nil {
		return *b.Accept
	}
	switch b.answer() {
	case AnswerOK, AnswerHang, AnswerDrop, AnswerBroken, AnswerCut:
		return true
	case AnswerRefuse, AnswerThrottle, AnswerHTTP, AnswerHTML, AnswerReset:
	}
	return false
}

// OutcomeOrDefault is Outcome, or OutcomeDelivered when it is empty.
func (r Receipts) OutcomeOrDefault() Outcome {
	if r.Outcome == "" {
		return OutcomeDelivered
	}
	return r.Outcome
}

func (b Behavior) validate() error {
	switch b.answer() {
	case AnswerOK, AnswerBroken, AnswerCut:
		if !b.accepts() {
			return fmt.Errorf("answer %q is the answer to an accepted call", b.answer())
		}
	case AnswerRefuse:
		if b.Code == "" {
			return fmt.Errorf("answer %q needs a code", b.Answer)
		}
	case AnswerHTTP:
		if b.Status < http.StatusOK || b.Status > 599 {
			return fmt.Errorf("answer %q needs a status from 200 to 599", b.Answer)
		}
	case AnswerThrottle, AnswerHTML, AnswerHang, AnswerReset, AnswerDrop:
	default:
		return fmt.Errorf("unknown answer %q", b.Answer)
	}
	return b.Receipts.validate()
}

func (r Receipts) validate() error {
	switch r.OutcomeOrDefault() {
	case OutcomeDelivered, OutcomeRejected, OutcomeFailed, OutcomeExpired, OutcomeMedia,
		OutcomeBlocked, OutcomeSMS, OutcomeSMSFailed, OutcomeSent, OutcomeNone:
		return nil
	default:
		return fmt.Errorf("unknown outcome %q", r.Outcome)
	}
}
