package batches_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/batches"
	"mmsdispatch/internal/sinch/sinchtest"
)

// documented lists every code of Sinch's documentation with its expected reason,
// a second time, independent of the table.
func documented() map[string]sinch.ReasonCode {
	all := make(map[string]sinch.ReasonCode)
	for reason, names := range map[sinch.ReasonCode]string{
		sinch.ReasonContent:   "syntax_invalid_json syntax_invalid_parameter_format syntax_constraint_violation conflict_send_at",
		sinch.ReasonRecipient: "illegal_number_type llegal_number_type",
		sinch.ReasonAccount:   "blocked_account",
		sinch.ReasonInternal:  "unknown_group missing_callback_url unknown_campaign batch_already_dispatched conflict_group_name",
	} {
		for code := range strings.FieldsSeq(names) {
			all[code] = reason
		}
	}
	return all
}

func TestErrorCodes(t *testing.T) {
	t.Parallel()
	for code, reason := range documented() {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			want := sinch.Outcome{Kind: sinch.Refused, Code: reason, SinchCode: code}
			if code == "blocked_account" {
				want.Kind = sinch.Account
			}
			body := fmt.Sprintf(`{"code":%q,"text":"'12065551212' is not valid"}`, code)
			for _, status := range []int{400, 403} {
				got := outcome(t, answer{Status: status, Body: body})
				if got.Detail == "" || got.Detail == sinch.DetailUnlisted || strings.Contains(got.Detail, "1206") {
					t.Errorf("detail %q", got.Detail)
				}
				got.Detail = ""
				if got != want {
					t.Errorf("HTTP %d: got %+v, want %+v", status, got, want)
				}
			}
		})
	}
}

func outcome(tb testing.TB, a answer) sinch.Outcome {
	tb.Helper()
	s := serve(tb, a)
	got := s.provider(tb, batches.Options{Plan: "plan"}).Send(tb.Context(), photo())
	if n := len(s.Requests()); n != 1 {
		tb.Errorf("%d requests, want 1", n)
	}
	return got
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	refused := func(reason sinch.ReasonCode, code string) sinch.Outcome {
		return sinch.Outcome{Kind: sinch.Refused, Code: reason, SinchCode: code}
	}
	account := sinch.Outcome{Kind: sinch.Account, Code: sinch.ReasonAccount}
	notSent := sinch.Outcome{Kind: sinch.NotSent, Code: sinch.ReasonInternal}
	throttled := sinch.Outcome{Kind: sinch.Throttled, Code: sinch.ReasonThrottled}
	later := throttled
	later.RetryAfter = 7 * time.Second
	accepted := sinch.Outcome{Kind: sinch.Accepted, SinchID: "01FC66621XXXXX119Z8PMV1QPQ"}
	unknown := sinch.Outcome{Kind: sinch.Unknown, Code: sinch.ReasonUnknownOutcome}
	sinchtest.RunAnswers(t, answering, photo(), map[string]sinchtest.Case{
		"created":             {Answer: answer{Status: 201, Body: created}, Want: accepted},
		"created, no id":      {Answer: answer{Status: 201, Body: `{"to":["12065551212"]}`}, Want: unknown},
		"created, empty":      {Answer: answer{Status: 201}, Want: unknown},
		"created, HTML":       {Answer: answer{Status: 201, Body: "<html>"}, Want: unknown},
		"created, cut":        {Answer: answer{Status: 201, Body: created[:30]}, Want: unknown},
		"200 of a gateway":    {Answer: answer{Status: 200, Body: "<html>"}, Want: unknown},
		"202":                 {Answer: answer{Status: 202}, Want: unknown},
		"moved":               {Answer: answer{Status: 308, Header: http.Header{"Location": {"/"}}}, Want: unknown},
		"400 with a new code": {Answer: answer{Status: 400, Body: `{"code":"new_rule"}`}, Want: refused(sinch.ReasonContent, "new_rule")},
		"400 without code":    {Answer: answer{Status: 400, Body: `{"text":"no"}`}, Want: unknown},
		"400 of a gateway":    {Answer: answer{Status: 400, Body: "<html>"}, Want: unknown},
		"401":                 {Answer: answer{Status: 401}, Want: account},
		"403 with a new code": {Answer: answer{Status: 403, Body: `{"code":"new_rule"}`}, Want: refused(sinch.ReasonInternal, "new_rule")},
		"403 without code":    {Answer: answer{Status: 403, Body: `{"text":"no"}`}, Want: account},
		"403 of a gateway":    {Answer: answer{Status: 403, Body: "<html>"}, Want: account},
		"404":                 {Answer: answer{Status: 404}, Want: account},
		"405":                 {Answer: answer{Status: 405}, Want: notSent},
		"409":                 {Answer: answer{Status: 409}, Want: unknown},
		"415":                 {Answer: answer{Status: 415}, Want: notSent},
		"429":                 {Answer: answer{Status: 429}, Want: throttled},
		"429 with a pause":    {Answer: answer{Status: 429, Header: http.Header{"Retry-After": {"7"}}}, Want: later},
		"429 until a time":    {Answer: answer{Status: 429, Header: http.Header{"Retry-After": {"Sun, 01 Nov 2026 10:00:07 GMT"}}}, Want: later},
		"500":                 {Answer: answer{Status: 500, Body: `{"text":"no"}`}, Want: unknown},
		"502":                 {Answer: answer{Status: 502, Body: "<html>"}, Want: unknown},
		"503":                 {Answer: answer{Status: 503}, Want: unknown},
		"504":                 {Answer: answer{Status: 504}, Want: unknown},
	})
}

func TestTableIsWhole(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(slices.Sorted(maps.Keys(documented())), slices.Sorted(maps.Keys(batches.Codes()))); diff != "" {
		t.Errorf("codes (-documented +table):\n%s", diff)
	}
}

// docs/sinch.md has the rules of the table.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	sinchtest.CheckDocumentation(t, "batches answers", batches.Codes())
}
