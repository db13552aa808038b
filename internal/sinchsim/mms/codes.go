package mms

import (
	"net/http"

	"mmsdispatch/internal/sinchsim"
)

// errorInfo is the error-info of a code. Sinch adds slide numbers; they are omitted
// here.
var errorInfo = map[string]string{ //nolint:gochecknoglobals // a table
	"E100": "Not a valid POST request",
	"E103": "API access is blocked for this account",
	"E104": "Invalid API key",
	"E105": "API access is not enabled for this account",
	"E106": "API calls are too close to each other",
	"E107": "Action is not allowed for this account",
	"E108": "Request body could not be parsed",
	"E110": "Invalid recipient number",
	"E111": "Invalid shortcode",
	"E112": "IP address is not allowed",
	"E113": "Throughput limit for this action exceeded",
	"E114": "Recipient is on the block list",
	"E115": "From mask is too long",
	"E223": "Only one object is allowed in a slide",
	"E224": "Object cannot be combined with other media in a slide",
	"E225": "Too many slides",
	"E226": "Audio and video cannot be combined in a slide",
	"E227": "Image and video cannot be combined in a slide",
	"E230": "Invalid slide duration",
	"E241": "Unknown mms-id",
	"E311": "Template name is missing or invalid",
	"E312": "No slides",
	"E313": "Slide is empty",
	"E314": "Subject is missing or invalid",
	"E334": "Text in slide is too long",
	"E351": "Could not copy image of slide",
	"E352": "Could not copy audio of slide",
	"E353": "Could not copy video of slide",
	"E355": "Could not copy vCard of slide",
	"E356": "Could not copy iCal of slide",
	"E357": "Could not copy PDF of slide",
	"E503": "Internal error",
	"E618": "Carrier lookup failed, try again",
	"E619": "Carrier is not provisioned",
	"E620": "mms-id is missing",
	"E622": "fallback-sms-text is missing",
	"E626": "Template is still encoding",
	"E627": "Invalid or missing service-id",
	"E628": "Carrier is not supported",
	"E713": "Billing problem",
}

// refusal is a refusal of the MMS API. It goes out with status 200.
type refusal struct {
	code string
	info string
}

func failure(code string) *refusal {
	info, ok := errorInfo[code]
	if !ok {
		info = "Request refused"
	}
	return &refusal{code: code, info: info}
}

type failureBody struct {
	Status string `json:"status"`
	To     string `json:"to,omitzero"`
	Code   string `json:"error-code"`
	Info   string `json:"error-info"`
}

// responder answers a call about one recipient.
type responder struct{ to string }

func (v responder) Refuse(code string) sinchsim.Reply { return v.failure(failure(code)) }

func (v responder) Throttle() sinchsim.Reply { return v.Refuse("E113") }

func (v responder) failure(e *refusal) sinchsim.Reply {
	return sinchsim.Reply{Status: http.StatusOK, Body: sinchsim.Encode(failureBody{
		Status: "Failure", To: v.to, Code: e.code, Info: e.info,
	})}
}

// magicNumbers are the MMS API's behaviours of the magic numbers.
func magicNumbers() sinchsim.MagicTable {
	return sinchsim.MagicTable{
		"9001": {Behavior: sinchsim.Behavior{Answer: sinchsim.AnswerRefuse, Code: "E110"}},
		"9002": {Behavior: sinchsim.Behavior{Answer: sinchsim.AnswerRefuse, Code: "E114"}},
		"9003": {Behavior: sinchsim.Behavior{Answer: sinchsim.AnswerRefuse, Code: "E351"}},
		"9004": {Behavior: sinchsim.Behavior{Receipts: sinchsim.Receipts{Outcome: sinchsim.OutcomeRejected}}},
		"9005": {Behavior: sinchsim.Behavior{Receipts: sinchsim.Receipts{Outcome: sinchsim.OutcomeExpired}}},
		"9006": {Behavior: sinchsim.Behavior{Answer: sinchsim.AnswerThrottle}, Times: 2},
		"9007": {Behavior: sinchsim.Behavior{Receipts: sinchsim.Receipts{Outcome: sinchsim.OutcomeNone}}},
		"9008": {Behavior: sinchsim.Behavior{Answer: sinchsim.AnswerHang, Receipts: sinchsim.Receipts{Outcome: sinchsim.OutcomeNone}}},
		"9009": {Behavior: sinchsim.Behavior{Answer: sinchsim.AnswerHang}},
		"9010": {Behavior: sinchsim.Behavior{Receipts: sinchsim.Receipts{Outcome: sinchsim.OutcomeSMS}}},
	}
}
