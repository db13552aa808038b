package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"mmsdispatch/test/harness"
)

// requestTimeout is longer than any response time, also on a loaded machine.
const requestTimeout = 30 * time.Second

// get makes a request without credentials.
func (s *stack) get(url string) (harness.Answer, error) {
	return s.client.Get(context.Background(), url)
}

// call makes a request to the public listener with the live key, unless the
// headers bring another.
func (s *stack) call(method, path string, body any, headers ...harness.Header) harness.Answer {
	s.t.Helper()
	got, err := s.client.Do(s.t.Context(), method, s.base+path, body, append([]harness.Header{harness.Bearer(s.key)}, headers...)...)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return got
}

// want checks the status of an answer.
func (s *stack) want(got harness.Answer, status int) harness.Answer {
	s.t.Helper()
	if got.Status != status {
		s.t.Fatalf("got %s, want status %d", got, status)
	}
	return got
}

// wantProblem checks status and code of a refusal.
func (s *stack) wantProblem(got harness.Answer, status int, code string) {
	s.t.Helper()
	s.want(got, status)
	var problem struct {
		Status int    `json:"status"`
		Code   string `json:"code"`
	}
	s.read(got, &problem)
	if problem.Code != code || problem.Status != status || got.Header.Get("Content-Type") != "application/problem+json" {
		s.t.Fatalf("got %s %s, want a problem %q", got.Header.Get("Content-Type"), got, code)
	}
}

// read decodes a response's JSON.
func (s *stack) read(got harness.Answer, into any) {
	s.t.Helper()
	if err := json.Unmarshal(got.Body, into); err != nil {
		s.t.Fatalf("unreadable answer %s: %v", got, err)
	}
}

// message is the body of POST /v1/messages; what it lacks and a message must
// have, the stack fills in.
type message map[string]any

// resource is a message as the API shows it.
type resource struct {
	ID              string            `json:"id"`
	ClientReference *string           `json:"clientReference"`
	To              string            `json:"to"`
	From            string            `json:"from"`
	Text            *string           `json:"text"`
	Media           []string          `json:"media"`
	Status          string            `json:"status"`
	Reason          *reason           `json:"reason"`
	Attempts        int               `json:"attempts"`
	SinchID         *string           `json:"sinchId"`
	SentAs          *string           `json:"sentAs"`
	CreatedAt       time.Time         `json:"createdAt"`
	SendAt          *time.Time        `json:"sendAt"`
	HeldUntil       *time.Time        `json:"heldUntil"`
	SentAt          *time.Time        `json:"sentAt"`
	FinalAt         *time.Time        `json:"finalAt"`
	Timeline        []entry           `json:"timeline"`
	Metadata        map[string]string `json:"metadata"`
}

type reason struct {
	Code      string  `json:"code"`
	Message   string  `json:"message"`
	SinchCode *string `json:"sinchCode"`
}

// sinch is Sinch's code, or nothing.
func (r *reason) sinch() string {
	if r == nil || r.SinchCode == nil {
		return ""
	}
	return *r.SinchCode
}

type entry struct {
	At      time.Time `json:"at"`
	Status  string    `json:"status"`
	Detail  string    `json:"detail"`
	Attempt *int      `json:"attempt"`
}

func (r resource) String() string {
	var why string
	if r.Reason != nil {
		why = fmt.Sprintf(" (%s %s)", r.Reason.Code, r.Reason.sinch())
	}
	return fmt.Sprintf("%s %s%s after %d attempts, by way of %s", r.ID, r.Status, why, r.Attempts, strings.Join(r.way(), " "))
}

// way lists the states on the timeline, each once in a row.
func (r resource) way() []string {
	var states []string
	for _, e := range r.Timeline {
		states = append(states, e.Status)
	}
	return slices.Compact(states)
}

// fill completes a message: a unique number, a media, a text. All of it
// is private from now on.
func (s *stack) fill(m message) message {
	full := message{"to": numberPool.Next(), "text": secretText()}
	if m["media"] == nil && m["mediaUrl"] == nil {
		full["mediaUrl"] = mediaURL()
	}
	maps.Copy(full, m)
	s.private.addMessage(full)
	return full
}

// post hands a message over and returns the answer, whatever it is.
func (s *stack) post(m message, headers ...harness.Header) harness.Answer {
	s.t.Helper()
	return s.call(http.MethodPost, "/v1/messages", s.fill(m), headers...)
}

// send hands a message over, which has to be accepted, and returns its id.
func (s *stack) send(m message, headers ...harness.Header) string {
	s.t.Helper()
	got := s.want(s.post(m, headers...), http.StatusAccepted)
	var r resource
	s.read(got, &r)
	if want := "/v1/messages/" + r.ID; got.Header.Get("Location") != want {
		s.t.Fatalf("Location is %q, want %q", got.Header.Get("Location"), want)
	}
	return r.ID
}

// lookUp reads a message.
func (s *stack) lookUp(id string, headers ...harness.Header) resource {
	s.t.Helper()
	var r resource
	s.lookAt("/v1/messages/"+id, &r, headers...)
	return r
}

// lookAt reads a resource. On a busy machine Redis may answer too late for a request.
func (s *stack) lookAt(path string, into any, headers ...harness.Header) {
	s.t.Helper()
	var got harness.Answer
	s.await("an answer to GET "+path, s.conf.patience, func() (bool, string) {
		got = s.call(http.MethodGet, path, nil, headers...)
		return got.Status != http.StatusServiceUnavailable, got.String()
	})
	s.read(s.want(got, http.StatusOK), into)
}

// awaitStatus waits until a message has a status and returns it.
func (s *stack) awaitStatus(id, status string, headers ...harness.Header) resource {
	s.t.Helper()
	return s.awaitMessage(id, "status "+status, func(r resource) bool { return r.Status == status }, headers...)
}

// awaitMessage waits until a message is as it should be and returns it.
func (s *stack) awaitMessage(id, what string, is func(resource) bool, headers ...harness.Header) resource {
	s.t.Helper()
	var r resource
	s.await(what+" of "+id, s.conf.patience, func() (bool, string) {
		r = s.lookUp(id, headers...)
		return is(r), r.String()
	})
	return r
}

// wantReason checks why a message does not go well.
func (s *stack) wantReason(r resource, code, sinchCode string) {
	s.t.Helper()
	if r.Reason == nil || r.Reason.Code != code || r.Reason.sinch() != sinchCode {
		s.t.Errorf("%s: want the reason %s %q", r, code, sinchCode)
	}
}

// wantAttempts checks how many calls a message took.
func (s *stack) wantAttempts(r resource, n int) {
	s.t.Helper()
	if r.Attempts != n {
		s.t.Errorf("%s: want %d attempts", r, n)
	}
}

// command is a POST without content on a message: cancel, replay.
func (s *stack) command(id, verb string, body any) harness.Answer {
	s.t.Helper()
	return s.call(http.MethodPost, "/v1/messages/"+id+"/"+verb, body)
}

// receive delivers a receipt as Sinch does, with the token that proves it.
func (s *stack) receive(receipt map[string]any) harness.Answer {
	s.t.Helper()
	return s.call(http.MethodPost, receiptAt+"?token="+s.token, receipt, harness.Header{Name: "Authorization", Value: ""})
}

// receipt is a receipt of the MMS API about an attempt of a message.
func receipt(id string, attempt int, code string) map[string]any {
	return map[string]any{
		"origin": "MMS_MT", "code": code, "sent-as": "MMS", "status": "text differs by age",
		"to": "12065550000", "from": "12065550100", "tracking-id": "TRACK-" + id,
		"client-reference": fmt.Sprintf("%s-%d", id, attempt), "timestamp": "2026-04-24T18:34:00Z",
	}
}
