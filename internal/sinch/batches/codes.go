package batches

import "mmsdispatch/internal/sinch"

// refusals are the codes of 400 and 403 answers of Sinch's SMS REST API
// (developers.sinch.com, SMS API reference, status codes). The table is never
// written to.
var refusals = map[string]sinch.Outcome{ //nolint:gochecknoglobals // a constant table
	"syntax_invalid_json":             {Kind: sinch.Refused, Code: sinch.ReasonContent, Detail: "body could not be parsed"},
	"syntax_invalid_parameter_format": {Kind: sinch.Refused, Code: sinch.ReasonContent, Detail: "a field has the wrong form"},
	"syntax_constraint_violation":     {Kind: sinch.Refused, Code: sinch.ReasonContent, Detail: "a field is missing or out of bounds"},
	"unknown_group":                   {Kind: sinch.Refused, Code: sinch.ReasonInternal, Detail: "group is unknown"},
	"missing_callback_url":            {Kind: sinch.Refused, Code: sinch.ReasonInternal, Detail: "reports were asked for without a URL"},
	"illegal_number_type":             {Kind: sinch.Refused, Code: sinch.ReasonRecipient, Detail: "kind of number is not allowed"},
	"llegal_number_type":              {Kind: sinch.Refused, Code: sinch.ReasonRecipient, Detail: "kind of number is not allowed"},
	"blocked_account":                 {Kind: sinch.Account, Code: sinch.ReasonAccount, Detail: "account is blocked"},
	"unknown_campaign":                {Kind: sinch.Refused, Code: sinch.ReasonInternal, Detail: "campaign is unknown"},
	"batch_already_dispatched":        {Kind: sinch.Refused, Code: sinch.ReasonInternal, Detail: "batch was dispatched already"},
	"conflict_send_at":                {Kind: sinch.Refused, Code: sinch.ReasonContent, Detail: "time to send conflicts"},
	"conflict_group_name":             {Kind: sinch.Refused, Code: sinch.ReasonInternal, Detail: "group name conflicts"},
}

// refusal reads the code of a 400 or 403 answer. One that is not in the table
// is a refusal of the message all the same: Sinch promises nothing was sent.
func refusal(code string) sinch.Outcome {
	o, ok := refusals[code]
	if !ok {
		o = sinch.Outcome{Kind: sinch.Refused, Code: sinch.ReasonContent, Detail: "error code that is not documented"}
	}
	o.SinchCode = code
	return o
}
