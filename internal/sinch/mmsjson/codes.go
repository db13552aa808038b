package mmsjson

import "mmsdispatch/internal/sinch"

// mediaRetries is the number of retries after Sinch could not copy a media, whose
// host may have been slow.
const mediaRetries = 2

// codes is the table of error codes of Sinch's MMS JSON API
// (developers.sinch.com, MMS API reference, status codes, and the appendix of
// the XML service of the same platform). E354 is not documented; the codes around it
// are about media.
var codes = sinch.NewTable([]sinch.Rule{
	{Code: "E100", Meaning: "not a valid POST request", Kind: sinch.Refused, Reason: sinch.ReasonInternal},
	{Code: "E103", Meaning: "API access of the account is blocked", Kind: sinch.Account, Reason: sinch.ReasonAccount},
	{Code: "E104", Meaning: "API key is not valid", Kind: sinch.Account, Reason: sinch.ReasonAccount},
	{Code: "E105", Meaning: "account has no API access", Kind: sinch.Account, Reason: sinch.ReasonAccount},
	{Code: "E106", Meaning: "calls follow each other too closely", Kind: sinch.Throttled, Reason: sinch.ReasonThrottled},
	{Code: "E107", Meaning: "action is not allowed for the account", Kind: sinch.Account, Reason: sinch.ReasonAccount},
	{Code: "E108", Meaning: "body could not be parsed", Kind: sinch.Refused, Reason: sinch.ReasonInternal},
	{Code: "E110", Meaning: "recipient is not valid", Kind: sinch.Refused, Reason: sinch.ReasonRecipient},
	{Code: "E111", Meaning: "sender is not valid", Kind: sinch.Refused, Reason: sinch.ReasonSender},
	{Code: "E112", Meaning: "source address is not allowed", Kind: sinch.Account, Reason: sinch.ReasonAccount},
	{Code: "E113", Meaning: "throughput exceeded", Kind: sinch.Throttled, Reason: sinch.ReasonThrottled},
	{Code: "E114", Meaning: "recipient is on the block list", Kind: sinch.Refused, Reason: sinch.ReasonSuppressed, Suppress: true},
	{Code: "E115", Meaning: "sender mask is too long", Kind: sinch.Refused, Reason: sinch.ReasonSender},
	{Code: "E212", Meaning: "bad page number", Kind: sinch.Refused, Reason: sinch.ReasonInternal},
	{Code: "E213", Meaning: "bad number of items", Kind: sinch.Refused, Reason: sinch.ReasonInternal},
	{Code: "E214", Meaning: "bad start date", Kind: sinch.Refused, Reason: sinch.ReasonInternal},
	{Code: "E223", Meaning: "slide holds two objects", Kind: sinch.Refused, Reason: sinch.ReasonContent},
	{Code: "E224", Meaning: "slide mixes an object with media", Kind: sinch.Refused, Reason: sinch.ReasonContent},
	{Code: "E225", Meaning: "too many slides", Kind: sinch.Refused, Reason: sinch.ReasonContent},
	{Code: "E226", Meaning: "slide mixes audio and video", Kind: sinch.Refused, Reason: sinch.ReasonContent},
	{Code: "E227", Meaning: "slide mixes image and video", Kind: sinch.Refused, Reason: sinch.ReasonContent},
	{Code: "E228", Meaning: "text is too long", Kind: sinch.Refused, Reason: sinch.ReasonContent},
	{Code: "E229", Meaning: "content is not allowed", Kind: sinch.Refused, Reason: sinch.ReasonContent},
	{Code: "E230", Meaning: "bad slide duration", Kind: sinch.Refused, Reason: sinch.ReasonContent},
	{Code: "E241", Meaning: "saved message is unknown", Kind: sinch.Refused, Reason: sinch.ReasonInternal},
	{Code: "E311", Meaning: "name is missing", Kind: sinch.Refused, Reason: sinch.ReasonContent},
	{Code: "E312", Meaning: "no slides", Kind: sinch.Refused, Reason: sinch.ReasonContent},
	{Code: "E313", Meaning: "slide is empty", Kind: sinch.Refused, Reason: sinch.ReasonContent},
	{Code: "E314", Meaning: "subject is missing or not valid", Kind: sinch.Refused, Reason: sinch.ReasonContent},
	{Code: "E331", Meaning: "image is too big", Kind: sinch.Refused, Reason: sinch.ReasonMedia},
	{Code: "E332", Meaning: "audio is too big", Kind: sinch.Refused, Reason: sinch.ReasonMedia},
	{Code: "E333", Meaning: "video is too big", Kind: sinch.Refused, Reason: sinch.ReasonMedia},
	{Code: "E334", Meaning: "text of a slide is too long", Kind: sinch.Refused, Reason: sinch.ReasonContent},
	{Code: "E335", Meaning: "contact card is too big", Kind: sinch.Refused, Reason: sinch.ReasonMedia},
	{Code: "E336", Meaning: "calendar entry is too big", Kind: sinch.Refused, Reason: sinch.ReasonMedia},
	{Code: "E337", Meaning: "PDF is too big", Kind: sinch.Refused, Reason: sinch.ReasonMedia},
	{Code: "E338", Meaning: "passbook is too big", Kind: sinch.Refused, Reason: sinch.ReasonMedia},
	{Code: "E341", Meaning: "image is corrupt", Kind: sinch.Refused, Reason: sinch.ReasonMedia},
	{Code: "E351", Meaning: "image could not be fetched", Kind: sinch.NotSent, Reason: sinch.ReasonMedia, MaxRetries: mediaRetries},
	{Code: "E352", Meaning: "audio could not be fetched", Kind: sinch.NotSent, Reason: sinch.ReasonMedia, MaxRetries: mediaRetries},
	{Code: "E353", Meaning: "video could not be fetched", Kind: sinch.NotSent, Reason: sinch.ReasonMedia, MaxRetries: mediaRetries},
	{Code: "E354", Meaning: "media could not be fetched", Kind: sinch.NotSent, Reason: sinch.ReasonMedia, MaxRetries: mediaRetries},
	{Code: "E355", Meaning: "contact card could not be fetched", Kind: sinch.NotSent, Reason: sinch.ReasonMedia, MaxRetries: mediaRetries},
	{
		Code: "E356", Meaning: "calendar entry could not be fetched",
		Kind: sinch.NotSent, Reason: sinch.ReasonMedia, MaxRetries: mediaRetries,
	},
	{Code: "E357", Meaning: "PDF could not be fetched", Kind: sinch.NotSent, Reason: sinch.ReasonMedia, MaxRetries: mediaRetries},
	{Code: "E358", Meaning: "passbook could not be fetched", Kind: sinch.NotSent, Reason: sinch.ReasonMedia, MaxRetries: mediaRetries},
	{Code: "E503", Meaning: "internal error of Sinch", Kind: sinch.Unknown, Reason: sinch.ReasonUnknownOutcome},
	{Code: "E618", Meaning: "carrier lookup failed", Kind: sinch.NotSent, Reason: sinch.ReasonCarrier},
	{Code: "E619", Meaning: "carrier is not provisioned", Kind: sinch.Refused, Reason: sinch.ReasonCarrier},
	{Code: "E620", Meaning: "saved message is missing", Kind: sinch.Refused, Reason: sinch.ReasonInternal},
	{Code: "E622", Meaning: "fallback text is missing", Kind: sinch.Refused, Reason: sinch.ReasonInternal},
	{Code: "E626", Meaning: "saved message is still being encoded", Kind: sinch.NotSent, Reason: sinch.ReasonInternal},
	{Code: "E627", Meaning: "campaign is missing or not valid", Kind: sinch.Account, Reason: sinch.ReasonAccount},
	{Code: "E628", Meaning: "carrier is not supported", Kind: sinch.Refused, Reason: sinch.ReasonCarrier},
	{Code: "E629", Meaning: "content type is not recognised", Kind: sinch.Refused, Reason: sinch.ReasonMedia},
	{Code: "E650", Meaning: "operator id is not valid", Kind: sinch.Refused, Reason: sinch.ReasonContent},
	{Code: "E651", Meaning: "operator id is unknown", Kind: sinch.Refused, Reason: sinch.ReasonContent},
	{Code: "E713", Meaning: "billing problem", Kind: sinch.Account, Reason: sinch.ReasonAccount},
})

// outcome derives the outcome of an error code.
func outcome(code string) sinch.Outcome {
	rule, ok := codes[code]
	if !ok {
		rule = sinch.Unlisted(code, sinch.ReasonInternal)
	}
	return rule.Outcome()
}
