package batches

import "mmsdispatch/internal/sinch"

// codes are the codes of 400 and 403 answers of Sinch's SMS REST API
// (developers.sinch.com, SMS API reference, status codes). One of them is
// spelt in two ways there.
var codes = sinch.NewTable([]sinch.Rule{
	{Code: "syntax_invalid_json", Meaning: "body could not be parsed", Kind: sinch.Refused, Reason: sinch.ReasonContent},
	{Code: "syntax_invalid_parameter_format", Meaning: "a field has the wrong form", Kind: sinch.Refused, Reason: sinch.ReasonContent},
	{Code: "syntax_constraint_violation", Meaning: "a field is missing or out of bounds", Kind: sinch.Refused, Reason: sinch.ReasonContent},
	{Code: "unknown_group", Meaning: "group is unknown", Kind: sinch.Refused, Reason: sinch.ReasonInternal},
	{Code: "missing_callback_url", Meaning: "reports requested without a URL", Kind: sinch.Refused, Reason: sinch.ReasonInternal},
	{Code: "illegal_number_type", Meaning: "kind of number is not allowed", Kind: sinch.Refused, Reason: sinch.ReasonRecipient},
	{Code: "llegal_number_type", Meaning: "kind of number is not allowed", Kind: sinch.Refused, Reason: sinch.ReasonRecipient},
	{Code: "blocked_account", Meaning: "account is blocked", Kind: sinch.Account, Reason: sinch.ReasonAccount},
	{Code: "unknown_campaign", Meaning: "campaign is unknown", Kind: sinch.Refused, Reason: sinch.ReasonInternal},
	{Code: "batch_already_dispatched", Meaning: "batch was dispatched already", Kind: sinch.Refused, Reason: sinch.ReasonInternal},
	{Code: "conflict_send_at", Meaning: "time to send conflicts", Kind: sinch.Refused, Reason: sinch.ReasonContent},
	{Code: "conflict_group_name", Meaning: "group name conflicts", Kind: sinch.Refused, Reason: sinch.ReasonInternal},
})

// outcome reads the code of a 400 or 403 answer. One that is not in the table
// refuses the message, too, with the reason of the status.
func outcome(code string, otherwise sinch.ReasonCode) sinch.Outcome {
	rule, ok := codes[code]
	if !ok {
		rule = sinch.Unlisted(code, otherwise)
	}
	return rule.Outcome()
}
