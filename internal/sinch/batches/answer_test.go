package batches_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/batches"
)

// documented lists every code of Sinch's documentation by the reason it has to
// lead to, written down a second time on purpose.
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
				got := outcome(t, answer{status: status, body: body})
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
	if n := len(s.requests()); n != 1 {
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
	cases := map[string]struct {
		answer answer
		want   sinch.Outcome // without its detail
	}{
		"created":             {answer{status: 201, body: created}, accepted},
		"created, no id":      {answer{status: 201, body: `{"to":["12065551212"]}`}, unknown},
		"created, empty":      {answer{status: 201}, unknown},
		"created, HTML":       {answer{status: 201, body: "<html>"}, unknown},
		"created, cut":        {answer{status: 201, body: created[:30]}, unknown},
		"200 of a gateway":    {answer{status: 200, body: "<html>"}, unknown},
		"202":                 {answer{status: 202}, unknown},
		"moved":               {answer{status: 308, header: http.Header{"Location": {"/"}}}, unknown},
		"400 with a new code": {answer{status: 400, body: `{"code":"new_rule"}`}, refused(sinch.ReasonContent, "new_rule")},
		"400 without code":    {answer{status: 400, body: `{"text":"no"}`}, unknown},
		"400 of a gateway":    {answer{status: 400, body: "<html>"}, unknown},
		"401":                 {answer{status: 401}, account},
		"403 with a new code": {answer{status: 403, body: `{"code":"new_rule"}`}, refused(sinch.ReasonInternal, "new_rule")},
		"403 without code":    {answer{status: 403, body: `{"text":"no"}`}, account},
		"403 of a gateway":    {answer{status: 403, body: "<html>"}, account},
		"404":                 {answer{status: 404}, account},
		"405":                 {answer{status: 405}, notSent},
		"409":                 {answer{status: 409}, unknown},
		"415":                 {answer{status: 415}, notSent},
		"429":                 {answer{status: 429}, throttled},
		"429 with a pause":    {answer{status: 429, header: http.Header{"Retry-After": {"7"}}}, later},
		"429 until a time":    {answer{status: 429, header: http.Header{"Retry-After": {"Sun, 01 Nov 2026 10:00:07 GMT"}}}, later},
		"500":                 {answer{status: 500, body: `{"text":"no"}`}, unknown},
		"502":                 {answer{status: 502, body: "<html>"}, unknown},
		"503":                 {answer{status: 503}, unknown},
		"504":                 {answer{status: 504}, unknown},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := outcome(t, tc.answer)
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

func TestTableIsWhole(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(slices.Sorted(maps.Keys(documented())), slices.Sorted(maps.Keys(batches.Codes()))); diff != "" {
		t.Errorf("codes (-documented +table):\n%s", diff)
	}
}

// The page for readers says what the table says.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/sinch.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "<!-- table: batches answers -->\n")
	got, _, _ := strings.Cut(rest, "<!-- end -->")
	want := "| Code | Meaning | Outcome | Reason |\n|---|---|---|---|\n"
	for _, code := range slices.Sorted(maps.Keys(batches.Codes())) {
		rule := batches.Codes()[code]
		want += fmt.Sprintf("| %#q | %s | %s | %#q |\n", code, rule.Meaning, rule.Kind, rule.Reason)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/sinch.md (-want +got):\n%s", diff)
	}
}
