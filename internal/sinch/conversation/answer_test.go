package conversation_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/conversation"
	"mmsdispatch/internal/sinch/sinchtest"
)

// grpc is an error in Sinch's format.
func grpc(status int, word string) answer {
	return answer{Status: status, Body: fmt.Sprintf(
		`{"error":{"code":%d,"message":"'12065551212' is not valid","status":%q,"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo"}]}}`,
		status, word)}
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
	sinchtest.RunAnswers(t, answering, photo(), map[string]sinchtest.Case{
		"accepted":           {Answer: answer{Status: 200, Body: accepted}, Want: sinch.Outcome{Kind: sinch.Accepted, SinchID: "01EQBC1A3BEK731GY4YXEN0C2R"}},
		"accepted, no id":    {Answer: answer{Status: 200, Body: `{"accepted_time":"2024-06-06T12:42:42.528Z"}`}, Want: unknown("")},
		"accepted, empty":    {Answer: answer{Status: 200}, Want: unknown("")},
		"accepted, HTML":     {Answer: answer{Status: 200, Body: "<html>"}, Want: unknown("")},
		"accepted, cut":      {Answer: answer{Status: 200, Body: accepted[:30]}, Want: unknown("")},
		"accepted, error":    {Answer: grpc(200, "INVALID_ARGUMENT"), Want: unknown("")},
		"201":                {Answer: answer{Status: 201, Body: accepted}, Want: unknown("")},
		"202":                {Answer: answer{Status: 202}, Want: unknown("")},
		"moved":              {Answer: answer{Status: 307, Header: http.Header{"Location": {"/"}}}, Want: unknown("")},
		"400":                {Answer: grpc(400, "INVALID_ARGUMENT"), Want: refused(sinch.ReasonContent, "INVALID_ARGUMENT")},
		"400, out of range":  {Answer: grpc(400, "OUT_OF_RANGE"), Want: refused(sinch.ReasonContent, "OUT_OF_RANGE")},
		"400, not set up":    {Answer: grpc(400, "FAILED_PRECONDITION"), Want: refused(sinch.ReasonInternal, "FAILED_PRECONDITION")},
		"400, a new word":    {Answer: grpc(400, "NEW_RULE"), Want: refused(sinch.ReasonContent, "NEW_RULE")},
		"400, a problem":     {Answer: answer{Status: 400, Body: problem}, Want: refused(sinch.ReasonContent, "invalid-argument")},
		"400, no problem":    {Answer: answer{Status: 400, Body: `{"type":"about:blank","title":"Bad Request","status":400}`}, Want: unknown("")},
		"400 without word":   {Answer: answer{Status: 400, Body: `{"error":{"code":400}}`}, Want: unknown("")},
		"400, odd error":     {Answer: answer{Status: 400, Body: `{"error":"no"}`}, Want: unknown("")},
		"400, odd members":   {Answer: answer{Status: 400, Body: `{"error":{"status":"INVALID_ARGUMENT","details":7},"type":[]}`}, Want: refused(sinch.ReasonContent, "INVALID_ARGUMENT")},
		"400 of a gateway":   {Answer: answer{Status: 400, Body: "<html>"}, Want: unknown("")},
		"401":                {Answer: grpc(401, "UNAUTHENTICATED"), Want: account("UNAUTHENTICATED")},
		"403":                {Answer: grpc(403, "PERMISSION_DENIED"), Want: account("PERMISSION_DENIED")},
		"403 of a gateway":   {Answer: answer{Status: 403, Body: "<html>"}, Want: account("")},
		"404, wrong region":  {Answer: grpc(404, "NOT_FOUND"), Want: account("NOT_FOUND")},
		"404 of a gateway":   {Answer: answer{Status: 404}, Want: account("")},
		"405":                {Answer: answer{Status: 405}, Want: notSent},
		"408":                {Answer: answer{Status: 408}, Want: unknown("")},
		"409":                {Answer: grpc(409, "ABORTED"), Want: unknown("ABORTED")},
		"415":                {Answer: answer{Status: 415}, Want: notSent},
		"429":                {Answer: grpc(429, "RESOURCE_EXHAUSTED"), Want: throttled},
		"429 with a pause":   {Answer: answer{Status: 429, Header: http.Header{"Retry-After": {"7"}}}, Want: later},
		"500":                {Answer: grpc(500, "INTERNAL"), Want: unknown("INTERNAL")},
		"501":                {Answer: grpc(501, "UNIMPLEMENTED"), Want: unknown("UNIMPLEMENTED")},
		"502":                {Answer: answer{Status: 502, Body: "<html>"}, Want: unknown("")},
		"503":                {Answer: grpc(503, "UNAVAILABLE"), Want: unknown("UNAVAILABLE")},
		"503, bad argument":  {Answer: grpc(503, "INVALID_ARGUMENT"), Want: unknown("INVALID_ARGUMENT")},
		"504 of a gateway":   {Answer: answer{Status: 504}, Want: unknown("")},
		"problem about pace": {Answer: answer{Status: 429, Body: `{"type":"too-many-requests"}`}, Want: sinch.Outcome{Kind: sinch.Throttled, Code: sinch.ReasonThrottled, SinchCode: "too-many-requests"}},
	})
}

// Without a connection nothing is sent.
func TestNoConnection(t *testing.T) {
	t.Parallel()
	s := serve(t, answer{Status: http.StatusOK, Body: accepted})
	p := s.provider(t, conversation.Options{})
	if got := p.Send(t.Context(), photo()); got.Kind != sinch.Accepted {
		t.Fatalf("%+v", got)
	}
	late := photo()
	late.Deadline = time.Now().Add(-time.Second)
	if got := p.Send(t.Context(), late); got.Kind != sinch.NotSent {
		t.Errorf("after its deadline: %+v", got)
	}
	if n := len(s.Requests()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// docs/sinch.md has the rules of the table.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	sinchtest.CheckDocumentation(t, "conversation answers", conversation.Codes())
}
