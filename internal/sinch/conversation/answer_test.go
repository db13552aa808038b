package conversation_test

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
	"mmsdispatch/internal/sinch/conversation"
)

// grpc is an error as Sinch writes it.
func grpc(status int, word string) answer {
	return answer{status: status, body: fmt.Sprintf(
		`{"error":{"code":%d,"message":"'12065551212' is not valid","status":%q,"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo"}]}}`,
		status, word)}
}

func outcome(tb testing.TB, a answer) sinch.Outcome {
	tb.Helper()
	s := serve(tb, a)
	got := s.provider(tb, conversation.Options{}).Send(tb.Context(), photo())
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
	account := func(code string) sinch.Outcome {
		return sinch.Outcome{Kind: sinch.Account, Code: sinch.ReasonAccount, SinchCode: code}
	}
	unknown := func(code string) sinch.Outcome {
		return sinch.Outcome{Kind: sinch.Unknown, Code: sinch.ReasonUnknownOutcome, SinchCode: code}
	}
	notSent := sinch.Outcome{Kind: sinch.NotSent, Code: sinch.ReasonInternal}
	throttled := sinch.Outcome{Kind: sinch.Throttled, Code: sinch.ReasonThrottled, SinchCode: "RESOURCE_EXHAUSTED"}
	later := sinch.Outcome{Kind: sinch.Throttled, Code: sinch.ReasonThrottled, RetryAfter: 7 * time.Second}
	problem := `{"type":"https://developers.sinch.com/docs/errors/registry/invalid-argument","title":"Invalid","status":400,"detail":"x"}`
	cases := map[string]struct {
		answer answer
		want   sinch.Outcome // without its detail
	}{
		"accepted":          {answer{status: 200, body: accepted}, sinch.Outcome{Kind: sinch.Accepted, SinchID: "01EQBC1A3BEK731GY4YXEN0C2R"}},
		"accepted, no id":   {answer{status: 200, body: `{"accepted_time":"2024-06-06T12:42:42.528Z"}`}, unknown("")},
		"accepted, empty":   {answer{status: 200}, unknown("")},
		"accepted, HTML":    {answer{status: 200, body: "<html>"}, unknown("")},
		"accepted, cut":     {answer{status: 200, body: accepted[:30]}, unknown("")},
		"accepted, error":   {grpc(200, "INVALID_ARGUMENT"), unknown("")},
		"201":               {answer{status: 201, body: accepted}, unknown("")},
		"202":               {answer{status: 202}, unknown("")},
		"moved":             {answer{status: 307, header: http.Header{"Location": {"/"}}}, unknown("")},
		"400":               {grpc(400, "INVALID_ARGUMENT"), refused(sinch.ReasonContent, "INVALID_ARGUMENT")},
		"400, out of range": {grpc(400, "OUT_OF_RANGE"), refused(sinch.ReasonContent, "OUT_OF_RANGE")},
		"400, not set up":   {grpc(400, "FAILED_PRECONDITION"), refused(sinch.ReasonInternal, "FAILED_PRECONDITION")},
		"400, a new word":   {grpc(400, "NEW_RULE"), refused(sinch.ReasonContent, "NEW_RULE")},
		"400, a problem":    {answer{status: 400, body: problem}, refused(sinch.ReasonContent, "invalid-argument")},
		"400, no problem":   {answer{status: 400, body: `{"type":"about:blank","title":"Bad Request","status":400}`}, unknown("")},
		"400 without word":  {answer{status: 400, body: `{"error":{"code":400}}`}, unknown("")},
		"400, odd error":    {answer{status: 400, body: `{"error":"no"}`}, unknown("")},
		"400, odd members": {
			answer{status: 400, body: `{"error":{"status":"INVALID_ARGUMENT","details":7},"type":[]}`},
			refused(sinch.ReasonContent, "INVALID_ARGUMENT"),
		},
		"400 of a gateway":   {answer{status: 400, body: "<html>"}, unknown("")},
		"401":                {grpc(401, "UNAUTHENTICATED"), account("UNAUTHENTICATED")},
		"403":                {grpc(403, "PERMISSION_DENIED"), account("PERMISSION_DENIED")},
		"403 of a gateway":   {answer{status: 403, body: "<html>"}, account("")},
		"404, wrong region":  {grpc(404, "NOT_FOUND"), account("NOT_FOUND")},
		"404 of a gateway":   {answer{status: 404}, account("")},
		"405":                {answer{status: 405}, notSent},
		"408":                {answer{status: 408}, unknown("")},
		"409":                {grpc(409, "ABORTED"), unknown("ABORTED")},
		"415":                {answer{status: 415}, notSent},
		"429":                {grpc(429, "RESOURCE_EXHAUSTED"), throttled},
		"429 with a pause":   {answer{status: 429, header: http.Header{"Retry-After": {"7"}}}, later},
		"500":                {grpc(500, "INTERNAL"), unknown("INTERNAL")},
		"501":                {grpc(501, "UNIMPLEMENTED"), unknown("UNIMPLEMENTED")},
		"502":                {answer{status: 502, body: "<html>"}, unknown("")},
		"503":                {grpc(503, "UNAVAILABLE"), unknown("UNAVAILABLE")},
		"503, bad argument":  {grpc(503, "INVALID_ARGUMENT"), unknown("INVALID_ARGUMENT")},
		"504 of a gateway":   {answer{status: 504}, unknown("")},
		"problem about pace": {answer{status: 429, body: `{"type":"too-many-requests"}`}, sinch.Outcome{Kind: sinch.Throttled, Code: sinch.ReasonThrottled, SinchCode: "too-many-requests"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := outcome(t, tc.answer)
			if (got.Detail == "") != (got.Kind == sinch.Accepted) || strings.Contains(got.Detail, "1206") {
				t.Errorf("detail %q of %s", got.Detail, got.Kind)
			}
			got.Detail = ""
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

// Without a connection nothing has left.
func TestNoConnection(t *testing.T) {
	t.Parallel()
	s := serve(t, answer{status: http.StatusOK, body: accepted})
	p := s.provider(t, conversation.Options{})
	if got := p.Send(t.Context(), photo()); got.Kind != sinch.Accepted {
		t.Fatalf("%+v", got)
	}
	late := photo()
	late.Deadline = time.Now().Add(-time.Second)
	if got := p.Send(t.Context(), late); got.Kind != sinch.NotSent {
		t.Errorf("after its deadline: %+v", got)
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// The page for readers says what the table says.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/sinch.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "<!-- table: conversation answers -->\n")
	got, _, _ := strings.Cut(rest, "<!-- end -->")
	want := "| Code | Meaning | Outcome | Reason |\n|---|---|---|---|\n"
	for _, code := range slices.Sorted(maps.Keys(conversation.Codes())) {
		rule := conversation.Codes()[code]
		want += fmt.Sprintf("| %#q | %s | %s | %#q |\n", code, rule.Meaning, rule.Kind, rule.Reason)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/sinch.md (-want +got):\n%s", diff)
	}
}
