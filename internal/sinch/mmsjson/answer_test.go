package mmsjson_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/mmsjson"
)

// meaning is what a code has to lead to.
type meaning struct {
	kind   sinch.OutcomeKind
	reason sinch.ReasonCode
}

// documented lists every error code of Sinch's documentation by what it has to
// lead to, written down a second time on purpose.
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
			// A code says what became of the message whatever the status is.
			for _, status := range []int{200, 400, 401, 403, 429, 500, 503} {
				o, _ := send(t, mmsjson.Options{}, photo(), answer{status: status, body: body})
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
	cases := map[string]struct {
		answer answer
		want   sinch.Outcome // without its detail
	}{
		"success":                  {answer{status: 200, body: success}, accepted("TU1TXzU5Nzg3OQ==")},
		"success, other case":      {answer{status: 200, body: `{"status":"SUCCESS","tracking-id":"T"}`}, accepted("T")},
		"tracking id is a number":  {answer{status: 200, body: `{"status":"Success","tracking-id":9007199254740993}`}, accepted(odd)},
		"tracking id is missing":   {answer{status: 200, body: `{"status":"Success"}`}, accepted("")},
		"fields of other types":    {answer{status: 200, body: odds}, accepted("T")},
		"code that is new":         {answer{status: 200, body: `{"status":"Failure","error-code":"E987"}`}, novelty},
		"number as a code":         {answer{status: 200, body: `{"status":"Failure","error-code":"+12065551212"}`}, number},
		"success with a number":    {answer{status: 200, body: `{"status":"Success","error-code":12065551212}`}, doubt(sinch.CodeWithheld)},
		"success with a code":      {answer{status: 200, body: `{"status":"Success","error-code":"E110"}`}, doubt("E110")},
		"success with 202":         {answer{status: 202, body: success}, doubt("")},
		"success with 500":         {answer{status: 500, body: success}, doubt("")},
		"failure without code":     {answer{status: 200, body: `{"status":"Failure"}`}, doubt("")},
		"failure with empty code":  {answer{status: 200, body: `{"status":"Failure","error-code":""}`}, doubt("")},
		"HTML with 200":            {answer{status: 200, body: "<html><body>Welcome</body></html>"}, doubt("")},
		"empty with 200":           {answer{status: 200}, doubt("")},
		"null with 200":            {answer{status: 200, body: "null"}, doubt("")},
		"array with 200":           {answer{status: 200, body: "[" + success + "]"}, doubt("")},
		"cut JSON with 200":        {answer{status: 200, body: success[:40]}, doubt("")},
		"two values with 200":      {answer{status: 200, body: success + success}, doubt("")},
		"other JSON with 200":      {answer{status: 200, body: `{"hello":"world"}`}, doubt("")},
		"no body with 204":         {answer{status: 204}, doubt("")},
		"moved":                    {answer{status: 307, header: http.Header{"Location": {"/ep/v2/"}}}, doubt("")},
		"bad request without code": {answer{status: 400, body: "bad"}, doubt("")},
		"unauthorized":             {answer{status: 401}, sinch.Outcome{Kind: sinch.Account, Code: sinch.ReasonAccount}},
		"forbidden":                {answer{status: 403, body: "<html>"}, sinch.Outcome{Kind: sinch.Account, Code: sinch.ReasonAccount}},
		"not found":                {answer{status: 404}, sinch.Outcome{Kind: sinch.Account, Code: sinch.ReasonAccount}},
		"wrong method":             {answer{status: 405}, sinch.Outcome{Kind: sinch.NotSent, Code: sinch.ReasonInternal}},
		"wrong type":               {answer{status: 415}, sinch.Outcome{Kind: sinch.NotSent, Code: sinch.ReasonInternal}},
		"request timeout":          {answer{status: 408}, doubt("")},
		"too fast":                 {answer{status: 429, header: http.Header{"Retry-After": {"7"}}}, later},
		"internal":                 {answer{status: 500}, doubt("")},
		"bad gateway":              {answer{status: 502, body: "<html>"}, doubt("")},
		"unavailable":              {answer{status: 503, header: http.Header{"Retry-After": {"7"}}}, doubt("")},
		"gateway timeout":          {answer{status: 504}, doubt("")},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _ := send(t, mmsjson.Options{}, photo(), tc.answer)
			if (got.Detail == "") != (got.Kind == sinch.Accepted) {
				t.Errorf("detail %q of %s", got.Detail, got.Kind)
			}
			got.Detail = ""
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func accepted(id string) sinch.Outcome { return sinch.Outcome{Kind: sinch.Accepted, SinchID: id} }

func doubt(code string) sinch.Outcome {
	return sinch.Outcome{Kind: sinch.Unknown, Code: sinch.ReasonUnknownOutcome, SinchCode: code}
}
