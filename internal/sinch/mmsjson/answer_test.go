package mmsjson_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/mmsjson"
	"mmsdispatch/internal/sinch/sinchtest"
)

// meaning is the expected outcome of a code.
type meaning struct {
	kind   sinch.OutcomeKind
	reason sinch.ReasonCode
}

// documented lists every error code of Sinch's documentation with its expected
// outcome, a second time, independent of the table.
func documented() map[string]meaning {
	all := make(map[string]meaning)
	for _, line := range []struct {
		m     meaning
		codes string
	}{
		{meaning{sinch.Refused, sinch.ReasonInternal}, "E100 E108 E212 E213 E214 E241 E620 E622"},
		{meaning{sinch.Refused, sinch.ReasonRecipient}, "E110"},
		{meaning{sinch.Refused, sinch.ReasonSender}, "E111 E115"},
		{meaning{sinch.Refused, sinch.ReasonSuppressed}, "E114"},
		{meaning{sinch.Refused, sinch.ReasonContent}, "E223 E224 E225 E226 E227 E228 E229 E230 E311 E312 E313 E314 E334 E650 E651"},
		{meaning{sinch.Refused, sinch.ReasonMedia}, "E331 E332 E333 E335 E336 E337 E338 E341 E629"},
		{meaning{sinch.Refused, sinch.ReasonCarrier}, "E619 E628"},
		{meaning{sinch.NotSent, sinch.ReasonMedia}, "E351 E352 E353 E354 E355 E356 E357 E358"},
		{meaning{sinch.NotSent, sinch.ReasonCarrier}, "E618"},
		{meaning{sinch.NotSent, sinch.ReasonInternal}, "E626"},
		{meaning{sinch.Throttled, sinch.ReasonThrottled}, "E106 E113"},
		{meaning{sinch.Account, sinch.ReasonAccount}, "E103 E104 E105 E107 E112 E627 E713"},
		{meaning{sinch.Unknown, sinch.ReasonUnknownOutcome}, "E503"},
	} {
		for code := range strings.FieldsSeq(line.codes) {
			all[code] = line.m
		}
	}
	return all
}

func TestErrorCodes(t *testing.T) {
	t.Parallel()
	for code, want := range documented() {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			body := fmt.Sprintf(`{"status":"Failure","to":"12065551212","error-code":%q,"error-info":"slide 3 of 12065551212"}`, code)
			// A code decides, independent of the status.
			for _, status := range []int{200, 400, 401, 403, 429, 500, 503} {
				o, _ := send(t, mmsjson.Options{}, photo(), answer{Status: status, Body: body})
				if o.Kind != want.kind || o.Code != want.reason || o.SinchCode != code || o.SinchID != "" {
					t.Errorf("HTTP %d: %+v, want %+v", status, o, want)
				}
				if o.Detail == "" || o.Detail == sinch.DetailUnlisted || strings.Contains(o.Detail, "12065551212") {
					t.Errorf("detail %q", o.Detail)
				}
				if o.Suppress != (code == "E114") {
					t.Errorf("suppress is %t", o.Suppress)
				}
				wantRetries := 0
				if strings.HasPrefix(code, "E35") {
					wantRetries = 2
				}
				if o.MaxRetries != wantRetries {
					t.Errorf("%d retries, want %d", o.MaxRetries, wantRetries)
				}
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	const success = `{"status":"Success","to":"12065551212","from":"28444","mms-id":35674,` +
		`"tracking-id":"TU1TXzU5Nzg3OQ==","status-details":"queued"}`
	const odds = `{"status":"Success","tracking-id":"T","to":[1],"mms-id":{},"error-code":null}`
	const odd = "9007199254740993" // no float64 holds it
	novelty := sinch.Outcome{Kind: sinch.Refused, Code: sinch.ReasonInternal, SinchCode: "E987"}
	number := sinch.Outcome{Kind: sinch.Refused, Code: sinch.ReasonInternal, SinchCode: sinch.CodeWithheld}
	later := sinch.Outcome{Kind: sinch.Throttled, Code: sinch.ReasonThrottled, RetryAfter: 7 * time.Second}
	sinchtest.RunAnswers(t, answering, photo(), map[string]sinchtest.Case{
		"success":                  {Answer: answer{Status: 200, Body: success}, Want: accepted("TU1TXzU5Nzg3OQ==")},
		"success, other case":      {Answer: answer{Status: 200, Body: `{"status":"SUCCESS","tracking-id":"T"}`}, Want: accepted("T")},
		"tracking id is a number":  {Answer: answer{Status: 200, Body: `{"status":"Success","tracking-id":9007199254740993}`}, Want: accepted(odd)},
		"tracking id is missing":   {Answer: answer{Status: 200, Body: `{"status":"Success"}`}, Want: accepted("")},
		"fields of other types":    {Answer: answer{Status: 200, Body: odds}, Want: accepted("T")},
		"code that is new":         {Answer: answer{Status: 200, Body: `{"status":"Failure","error-code":"E987"}`}, Want: novelty},
		"number as a code":         {Answer: answer{Status: 200, Body: `{"status":"Failure","error-code":"+12065551212"}`}, Want: number},
		"success with a number":    {Answer: answer{Status: 200, Body: `{"status":"Success","error-code":12065551212}`}, Want: unknown(sinch.CodeWithheld)},
		"success with a code":      {Answer: answer{Status: 200, Body: `{"status":"Success","error-code":"E110"}`}, Want: unknown("E110")},
		"success with 202":         {Answer: answer{Status: 202, Body: success}, Want: unknown("")},
		"success with 500":         {Answer: answer{Status: 500, Body: success}, Want: unknown("")},
		"failure without code":     {Answer: answer{Status: 200, Body: `{"status":"Failure"}`}, Want: unknown("")},
		"failure with empty code":  {Answer: answer{Status: 200, Body: `{"status":"Failure","error-code":""}`}, Want: unknown("")},
		"HTML with 200":            {Answer: answer{Status: 200, Body: "<html><body>Welcome</body></html>"}, Want: unknown("")},
		"empty with 200":           {Answer: answer{Status: 200}, Want: unknown("")},
		"null with 200":            {Answer: answer{Status: 200, Body: "null"}, Want: unknown("")},
		"array with 200":           {Answer: answer{Status: 200, Body: "[" + success + "]"}, Want: unknown("")},
		"cut JSON with 200":        {Answer: answer{Status: 200, Body: success[:40]}, Want: unknown("")},
		"two values with 200":      {Answer: answer{Status: 200, Body: success + success}, Want: unknown("")},
		"other JSON with 200":      {Answer: answer{Status: 200, Body: `{"hello":"world"}`}, Want: unknown("")},
		"no body with 204":         {Answer: answer{Status: 204}, Want: unknown("")},
		"moved":                    {Answer: answer{Status: 307, Header: http.Header{"Location": {"/ep/v2/"}}}, Want: unknown("")},
		"bad request without code": {Answer: answer{Status: 400, Body: "bad"}, Want: unknown("")},
		"unauthorized":             {Answer: answer{Status: 401}, Want: sinch.Outcome{Kind: sinch.Account, Code: sinch.ReasonAccount}},
		"forbidden":                {Answer: answer{Status: 403, Body: "<html>"}, Want: sinch.Outcome{Kind: sinch.Account, Code: sinch.ReasonAccount}},
		"not found":                {Answer: answer{Status: 404}, Want: sinch.Outcome{Kind: sinch.Account, Code: sinch.ReasonAccount}},
		"wrong method":             {Answer: answer{Status: 405}, Want: sinch.Outcome{Kind: sinch.NotSent, Code: sinch.ReasonInternal}},
		"wrong type":               {Answer: answer{Status: 415}, Want: sinch.Outcome{Kind: sinch.NotSent, Code: sinch.ReasonInternal}},
		"request timeout":          {Answer: answer{Status: 408}, Want: unknown("")},
		"too fast":                 {Answer: answer{Status: 429, Header: http.Header{"Retry-After": {"7"}}}, Want: later},
		"internal":                 {Answer: answer{Status: 500}, Want: unknown("")},
		"bad gateway":              {Answer: answer{Status: 502, Body: "<html>"}, Want: unknown("")},
		"unavailable":              {Answer: answer{Status: 503, Header: http.Header{"Retry-After": {"7"}}}, Want: unknown("")},
		"gateway timeout":          {Answer: answer{Status: 504}, Want: unknown("")},
	})
}

func accepted(id string) sinch.Outcome { return sinch.Outcome{Kind: sinch.Accepted, SinchID: id} }

func unknown(code string) sinch.Outcome {
	return sinch.Outcome{Kind: sinch.Unknown, Code: sinch.ReasonUnknownOutcome, SinchCode: code}
}
