package mmsjson

import "mmsdispatch/internal/sinch"

// answer is what an error code means for the message it answers.
type answer struct {
	kind       sinch.OutcomeKind
	reason     sinch.ReasonCode
	detail     string
	maxRetries int
	suppress   bool
}

// mediaRetries is how often a call is repeated when Sinch could not copy a
// medium: its host may have been slow.
const mediaRetries = 2

// codes is the table of error codes of Sinch's MMS JSON API
// (developers.sinch.com, MMS API reference, status codes, and the appendix of
// the XML service of the same platform). It is never written to.
var codes = map[string]answer{ //nolint:gochecknoglobals // a constant table
	"E100": {kind: sinch.Refused, reason: sinch.ReasonInternal, detail: "not a valid POST request"},
	"E103": {kind: sinch.Account, reason: sinch.ReasonAccount, detail: "API access of the account is blocked"},
	"E104": {kind: sinch.Account, reason: sinch.ReasonAccount, detail: "API key is not valid"},
	"E105": {kind: sinch.Account, reason: sinch.ReasonAccount, detail: "account has no API access"},
	"E106": {kind: sinch.Throttled, reason: sinch.ReasonThrottled, detail: "calls follow each other too closely"},
	"E107": {kind: sinch.Account, reason: sinch.ReasonAccount, detail: "action is not allowed for the account"},
	"E108": {kind: sinch.Refused, reason: sinch.ReasonInternal, detail: "body could not be parsed"},
	"E110": {kind: sinch.Refused, reason: sinch.ReasonRecipient, detail: "recipient is not valid"},
	"E111": {kind: sinch.Refused, reason: sinch.ReasonSender, detail: "sender is not valid"},
	"E112": {kind: sinch.Account, reason: sinch.ReasonAccount, detail: "source address is not allowed"},
	"E113": {kind: sinch.Throttled, reason: sinch.ReasonThrottled, detail: "throughput exceeded"},
	"E114": {kind: sinch.Refused, reason: sinch.ReasonSuppressed, detail: "recipient is on the block list", suppress: true},
	"E115": {kind: sinch.Refused, reason: sinch.ReasonSender, detail: "sender mask is too long"},
	"E212": {kind: sinch.Refused, reason: sinch.ReasonInternal, detail: "bad page number"},
	"E213": {kind: sinch.Refused, reason: sinch.ReasonInternal, detail: "bad number of items"},
	"E214": {kind: sinch.Refused, reason: sinch.ReasonInternal, detail: "bad start date"},
	"E223": {kind: sinch.Refused, reason: sinch.ReasonContent, detail: "slide holds two objects"},
	"E224": {kind: sinch.Refused, reason: sinch.ReasonContent, detail: "slide mixes an object with media"},
	"E225": {kind: sinch.Refused, reason: sinch.ReasonContent, detail: "too many slides"},
	"E226": {kind: sinch.Refused, reason: sinch.ReasonContent, detail: "slide mixes audio and video"},
	"E227": {kind: sinch.Refused, reason: sinch.ReasonContent, detail: "slide mixes image and video"},
	"E228": {kind: sinch.Refused, reason: sinch.ReasonContent, detail: "text is too long"},
	"E229": {kind: sinch.Refused, reason: sinch.ReasonContent, detail: "content is not allowed"},
	"E230": {kind: sinch.Refused, reason: sinch.ReasonContent, detail: "bad slide duration"},
	"E241": {kind: sinch.Refused, reason: sinch.ReasonInternal, detail: "saved message is unknown"},
	"E311": {kind: sinch.Refused, reason: sinch.ReasonContent, detail: "name is missing"},
	"E312": {kind: sinch.Refused, reason: sinch.ReasonContent, detail: "no slides"},
	"E313": {kind: sinch.Refused, reason: sinch.ReasonContent, detail: "slide is empty"},
	"E314": {kind: sinch.Refused, reason: sinch.ReasonContent, detail: "subject is missing or not valid"},
	"E331": {kind: sinch.Refused, reason: sinch.ReasonMedia, detail: "image is too big"},
	"E332": {kind: sinch.Refused, reason: sinch.ReasonMedia, detail: "audio is too big"},
	"E333": {kind: sinch.Refused, reason: sinch.ReasonMedia, detail: "video is too big"},
	"E334": {kind: sinch.Refused, reason: sinch.ReasonContent, detail: "text of a slide is too long"},
	"E335": {kind: sinch.Refused, reason: sinch.ReasonMedia, detail: "contact card is too big"},
	"E336": {kind: sinch.Refused, reason: sinch.ReasonMedia, detail: "calendar entry is too big"},
	"E337": {kind: sinch.Refused, reason: sinch.ReasonMedia, detail: "PDF is too big"},
	"E338": {kind: sinch.Refused, reason: sinch.ReasonMedia, detail: "passbook is too big"},
	"E341": {kind: sinch.Refused, reason: sinch.ReasonMedia, detail: "image is corrupt"},
	"E351": {kind: sinch.NotSent, reason: sinch.ReasonMedia, detail: "image could not be fetched", maxRetries: mediaRetries},
	"E352": {kind: sinch.NotSent, reason: sinch.ReasonMedia, detail: "audio could not be fetched", maxRetries: mediaRetries},
	"E353": {kind: sinch.NotSent, reason: sinch.ReasonMedia, detail: "video could not be fetched", maxRetries: mediaRetries},
	"E355": {kind: sinch.NotSent, reason: sinch.ReasonMedia, detail: "contact card could not be fetched", maxRetries: mediaRetries},
	"E356": {kind: sinch.NotSent, reason: sinch.ReasonMedia, detail: "calendar entry could not be fetched", maxRetries: mediaRetries},
	"E357": {kind: sinch.NotSent, reason: sinch.ReasonMedia, detail: "PDF could not be fetched", maxRetries: mediaRetries},
	"E358": {kind: sinch.NotSent, reason: sinch.ReasonMedia, detail: "passbook could not be fetched", maxRetries: mediaRetries},
	"E503": {kind: sinch.Unknown, reason: sinch.ReasonUnknownOutcome, detail: "internal error of Sinch"},
	"E618": {kind: sinch.NotSent, reason: sinch.ReasonCarrier, detail: "carrier look-up failed"},
	"E619": {kind: sinch.Refused, reason: sinch.ReasonCarrier, detail: "carrier is not provisioned"},
	"E620": {kind: sinch.Refused, reason: sinch.ReasonInternal, detail: "saved message is missing"},
	"E622": {kind: sinch.Refused, reason: sinch.ReasonInternal, detail: "fallback text is missing"},
	"E626": {kind: sinch.NotSent, reason: sinch.ReasonInternal, detail: "saved message is still being encoded"},
	"E627": {kind: sinch.Account, reason: sinch.ReasonAccount, detail: "campaign is missing or not valid"},
	"E628": {kind: sinch.Refused, reason: sinch.ReasonCarrier, detail: "carrier is not supported"},
	"E629": {kind: sinch.Refused, reason: sinch.ReasonMedia, detail: "content type is not recognised"},
	"E650": {kind: sinch.Refused, reason: sinch.ReasonContent, detail: "operator id is not valid"},
	"E651": {kind: sinch.Refused, reason: sinch.ReasonContent, detail: "operator id is unknown"},
	"E713": {kind: sinch.Account, reason: sinch.ReasonAccount, detail: "billing problem"},
}

// unlisted is the meaning of a code that is not in the table: refused, since
// every documented code but E503 is a refusal.
func unlisted() answer {
	return answer{kind: sinch.Refused, reason: sinch.ReasonInternal, detail: "error code that is not documented"}
}

// outcome reads an error code.
func outcome(code string) sinch.Outcome {
	a, ok := codes[code]
	if !ok {
		a = unlisted()
	}
	return sinch.Outcome{
		Kind: a.kind, Code: a.reason, SinchCode: code, Detail: a.detail, MaxRetries: a.maxRetries, Suppress: a.suppress,
	}
}
