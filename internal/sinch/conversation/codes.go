package conversation

import "mmsdispatch/internal/sinch"

// codes are the error names of 400 responses of Sinch's Conversation API
// (developers.sinch.com, Conversation API reference, errors, which are gRPC's:
// google.rpc.Code maps these three to 400). They refuse the message permanently.
var codes = sinch.NewTable([]sinch.Rule{
	{Code: "INVALID_ARGUMENT", Meaning: "a field is missing or not valid", Kind: sinch.Refused, Reason: sinch.ReasonContent},
	{Code: "OUT_OF_RANGE", Meaning: "a field is out of bounds", Kind: sinch.Refused, Reason: sinch.ReasonContent},
	{Code: "FAILED_PRECONDITION", Meaning: "the app is not set up for it", Kind: sinch.Refused, Reason: sinch.ReasonInternal},
})

// outcome derives the outcome of a 400 response. A name that is not in the table
// refuses the message, too.
func outcome(word string) sinch.Outcome {
	rule, ok := codes[word]
	if !ok {
		rule = sinch.Unlisted(word, sinch.ReasonContent)
	}
	return rule.Outcome()
}
