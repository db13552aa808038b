package receipt

import "mmsdispatch/internal/message"

// conversationVerdict is the meaning of a status or of the code of a reason.
type conversationVerdict struct {
	state  message.ReceiptState
	reason message.ReasonCode
	detail string
}

// conversationStates is the table of statuses in delivery reports of the
// Conversation API (developers.sinch.com, Conversation callbacks). MMS
// has no READ; on other channels it implies delivery.
var conversationStates = map[string]conversationVerdict{
	"QUEUED_ON_CHANNEL": {state: message.ReceiptSent, detail: "sent to the channel"},
	"SWITCHING_CHANNEL": {detail: "failed on one channel, goes on with the next"},
	"DELIVERED":         {state: message.ReceiptDelivered, detail: detailDelivered},
	"READ":              {state: message.ReceiptDelivered, detail: "read"},
	"FAILED":            {state: message.ReceiptUndelivered, reason: message.ReasonCarrier, detail: "not delivered"},
}

// reasonDefault is the enum's default, which means no reason.
const reasonDefault = "UNKNOWN"

// conversationReasons is the table of codes that come with FAILED
// (developers.sinch.com, Conversation callbacks; the reason of Sinch's SDKs).
// A report that did not arrive in time proves nothing about the message.
var conversationReasons = map[string]conversationVerdict{
	"RATE_LIMITED":    undelivered(message.ReasonThrottled, "too fast for the channel"),
	"INTERNAL_ERROR":  undelivered(message.ReasonInternal, "internal error of Sinch"),
	"CHANNEL_FAILURE": undelivered(message.ReasonCarrier, "the channel failed"),
	reasonDefault:     undelivered(message.ReasonCarrier, "not delivered, and no reason given"),

	"RECIPIENT_INVALID_CHANNEL_IDENTITY": undelivered(message.ReasonRecipient, "recipient is not valid"),
	"RECIPIENT_NOT_REACHABLE":            undelivered(message.ReasonRecipient, "recipient is not reachable"),
	"RECIPIENT_NOT_OPTED_IN":             undelivered(message.ReasonSuppressed, "recipient has not opted in"),
	"NO_CHANNEL_IDENTITY_FOR_CONTACT":    undelivered(message.ReasonRecipient, "no number for the channel"),
	"CONTACT_NOT_FOUND":                  undelivered(message.ReasonRecipient, "contact is unknown"),
	"NO_PROFILE_AVAILABLE":               undelivered(message.ReasonRecipient, "no profile of the recipient"),

	"MEDIA_TYPE_UNSUPPORTED": undelivered(message.ReasonMedia, "type of media is not supported"),
	"MEDIA_TOO_LARGE":        undelivered(message.ReasonMedia, "media is too big"),
	"MEDIA_NOT_REACHABLE":    undelivered(message.ReasonMedia, "media could not be fetched"),

	"BAD_REQUEST":                     undelivered(message.ReasonContent, "a field is not valid"),
	"UNSUPPORTED_OPERATION":           undelivered(message.ReasonContent, "the channel cannot carry it"),
	"MESSAGE_SPLIT_REQUIRED":          undelivered(message.ReasonContent, "too long for one message"),
	"CHANNEL_REJECT":                  undelivered(message.ReasonCarrier, "rejected by the channel"),
	"DELIVERY_REJECTED_DUE_TO_POLICY": undelivered(message.ReasonCarrier, "against a policy of the channel"),
	"NO_CHANNELS_LEFT":                undelivered(message.ReasonCarrier, "no channel is left"),
	"OUTSIDE_ALLOWED_SENDING_WINDOW":  undelivered(message.ReasonCarrier, "outside the hours of the channel"),

	"TEMPLATE_NOT_FOUND":                        undelivered(message.ReasonInternal, "template is unknown"),
	"TEMPLATE_INSUFFICIENT_PARAMETERS":          undelivered(message.ReasonInternal, "template lacks parameters"),
	"TEMPLATE_NON_EXISTING_LANGUAGE_OR_VERSION": undelivered(message.ReasonInternal, "template has no such language or version"),

	"CHANNEL_BAD_CONFIGURATION":     undelivered(message.ReasonAccount, "the channel is set up wrongly"),
	"CHANNEL_CONFIGURATION_MISSING": undelivered(message.ReasonAccount, "the channel is not set up"),
	"UNKNOWN_APP":                   undelivered(message.ReasonAccount, "app is unknown"),
	"NO_PERMISSION":                 undelivered(message.ReasonAccount, "no permission"),
	"INACTIVE_CREDENTIAL":           undelivered(message.ReasonAccount, "credential of the channel is not active"),

	"MESSAGE_EXPIRED":          undelivered(message.ReasonExpired, "expired at Sinch"),
	"DELIVERY_TIMED_OUT":       undelivered(message.ReasonExpired, "not delivered in time"),
	"DELIVERY_REPORT_TIME_OUT": {state: message.ReceiptSent, detail: "sent, no report from the channel"},
}

func undelivered(reason message.ReasonCode, detail string) conversationVerdict {
	return conversationVerdict{state: message.ReceiptUndelivered, reason: reason, detail: detail}
}
