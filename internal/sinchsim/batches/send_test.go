package batches_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

func TestBatchAccepted(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{})
	expire := time.Now().Add(24 * time.Hour).UTC()
	got := s.SendBatch(t, simtest.Batch().
		With("to", []any{"+12065551212", "0012065551213", "12065551214", "12065551214"}).
		With("parameters", simtest.Fields{"name": simtest.Fields{"12065551212": "Ann", "default": "there"}}).
		With("expire_at", expire.Format(time.RFC3339)).
		With("callback_url", "http://127.0.0.1:1/x"))
	id, _ := got.Fields["id"].(string)
	created, _ := got.Fields["created_at"].(string)
	if got.Status != http.StatusCreated || !simtest.IsULID(id) || !simtest.IsTime(created) {
		t.Fatalf("%d %s", got.Status, got.Raw)
	}
	want := map[string]any{
		"id": id, "to": []any{"12065551212", "12065551213", "12065551214"}, "from": "12015555555", "canceled": false,
		"parameters": map[string]any{"name": map[string]any{"12065551212": "Ann", "default": "there"}},
		"body":       map[string]any{"url": "https://media.example.com/a.jpg", "message": "Hello"},
		"type":       "mt_media", "created_at": created, "modified_at": created, "delivery_report": "per_recipient",
		"expire_at": expire.Truncate(time.Second).Format("2006-01-02T15:04:05.000Z"), "callback_url": "http://127.0.0.1:1/x",
		"client_reference": "msg_a-1", "feedback_enabled": false, "strict_validation": false,
	}
	if diff := cmp.Diff(want, got.Fields); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	found := s.Batches(t, http.MethodGet, "/batches/"+id, nil)
	if diff := cmp.Diff(got.Fields, found.Fields); diff != "" || found.Status != http.StatusOK {
		t.Errorf("get (-sent +got):\n%s", diff)
	}
}

func TestBatchRefused(t *testing.T) {
	t.Parallel()
	s := simtest.StartQuick(t, sinchsim.Options{Batches: sinchsim.BatchesOptions{Token: simtest.Token, Plan: simtest.Plan}})
	b := simtest.Batch().With("delivery_report", "none")
	body := func(kv ...any) simtest.Fields {
		f := simtest.Fields{"url": "https://media.example.com/a.jpg"}
		for i := 0; i < len(kv); i += 2 {
			f[kv[i].(string)] = kv[i+1]
		}
		return b.With("body", f)
	}
	var many []any
	for i := range 1001 {
		many = append(many, strconv.Itoa(12065550000+i))
	}
	const constraint, format, invalid = "syntax_constraint_violation", "syntax_invalid_parameter_format", "syntax_invalid_json"
	tests := map[string]struct {
		body   any
		status int
		code   any
	}{
		"type missing":         {b.With("type", nil), 400, constraint},
		"type text":            {b.With("type", "mt_text"), 400, constraint},
		"to missing":           {b.With("to", nil), 400, constraint},
		"to empty":             {b.With("to", []any{}), 400, constraint},
		"to of 1001":           {b.With("to", many), 400, constraint},
		"to as text":           {b.With("to", "12065551212"), 400, format},
		"to of numbers":        {b.With("to", []any{12065551212}), 400, format},
		"to no number":         {b.With("to", []any{"foo"}), 400, format},
		"group":                {b.With("to", []any{"01FC66621VHDBN119Z8PMV1QPQ"}), 403, "unknown_group"},
		"from missing":         {b.With("from", nil), 400, constraint},
		"from bad":             {b.With("from", "me"), 400, format},
		"body missing":         {b.With("body", nil), 400, constraint},
		"body as text":         {b.With("body", "https://x/a.jpg"), 400, format},
		"url missing":          {body("url", ""), 400, constraint},
		"url bad":              {body("url", "file:///a"), 400, format},
		"url too long":         {body("url", "https://x/"+strings.Repeat("a", 2048)), 400, constraint},
		"message too long":     {body("message", strings.Repeat("a", 5001)), 400, constraint},
		"subject too long":     {body("subject", strings.Repeat("a", 81)), 400, constraint},
		"parameter key":        {b.With("parameters", simtest.Fields{"a b": simtest.Fields{"default": "x"}}), 400, format},
		"parameter key length": {b.With("parameters", simtest.Fields{strings.Repeat("a", 17): simtest.Fields{"default": "x"}}), 400, format},
		"parameter number":     {b.With("parameters", simtest.Fields{"a": simtest.Fields{"foo": "x"}}), 400, format},
		"parameter value":      {b.With("parameters", simtest.Fields{"a": simtest.Fields{"default": strings.Repeat("x", 161)}}), 400, constraint},
		"report style":         {b.With("delivery_report", "all"), 400, format},
		"report without url":   {b.With("delivery_report", "full"), 403, "missing_callback_url"},
		"send_at":              {b.With("send_at", "soon"), 400, format},
		"expire_at":            {b.With("expire_at", "late"), 400, format},
		"expired":              {b.With("expire_at", "2020-01-01T00:00:00Z"), 400, constraint},
		"expires too late":     {b.With("expire_at", time.Now().Add(73*time.Hour).Format(time.RFC3339)), 400, constraint},
		"callback url":         {b.With("callback_url", "gopher://x"), 400, format},
		"callback url length":  {b.With("callback_url", "http://x/"+strings.Repeat("a", 2048)), 400, format},
		"reference length":     {b.With("client_reference", strings.Repeat("a", 2049)), 400, constraint},
		"flag as text":         {b.With("strict_validation", "true"), 400, format},
		"array":                {[]any{}, 400, format},
		"broken json":          {nil, 400, invalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := s.SendBatch(t, tt.body)
			text, _ := got.Fields["text"].(string)
			if got.Status != tt.status || got.Fields["code"] != tt.code || text == "" {
				t.Fatalf("got %d %s, want %d %v", got.Status, got.Raw, tt.status, tt.code)
			}
		})
	}
	t.Cleanup(func() {
		if n := s.Stats().Accepted; n != 0 {
			t.Errorf("%d calls were accepted", n)
		}
	})
}

func TestBatchTransport(t *testing.T) {
	t.Parallel()
	s := simtest.StartQuick(t, sinchsim.Options{Batches: sinchsim.BatchesOptions{Token: simtest.Token, Plan: simtest.Plan}})
	good := simtest.JSON(t, simtest.Batch().With("delivery_report", "none"))
	header := func(key, value string) http.Header {
		h := simtest.BearerHeader(simtest.Token)
		h.Set(key, value)
		return h
	}
	tests := map[string]struct {
		method, path string
		header       http.Header
		body         []byte
		status       int
	}{
		"good":            {"POST", "/xms/v1/plan1/batches", simtest.BearerHeader(simtest.Token), good, 201},
		"charset":         {"POST", "/xms/v1/plan1/batches", header("Content-Type", "application/json; charset=utf-8"), good, 201},
		"no token":        {"POST", "/xms/v1/plan1/batches", header("Authorization", ""), good, 401},
		"other token":     {"POST", "/xms/v1/plan1/batches", header("Authorization", "Bearer x"), good, 401},
		"other scheme":    {"POST", "/xms/v1/plan1/batches", header("Authorization", "Basic "+simtest.Token), good, 401},
		"other plan":      {"POST", "/xms/v1/plan2/batches", simtest.BearerHeader(simtest.Token), good, 401},
		"other plan list": {"GET", "/xms/v1/plan2/batches", simtest.BearerHeader(simtest.Token), nil, 401},
		"media type":      {"POST", "/xms/v1/plan1/batches", header("Content-Type", "text/plain"), good, 415},
		"too large":       {"POST", "/xms/v1/plan1/batches", simtest.BearerHeader(simtest.Token), append(make([]byte, 1<<20), good...), 413},
		"wrong verb":      {"PATCH", "/xms/v1/plan1/batches", simtest.BearerHeader(simtest.Token), nil, 405},
		"unknown path":    {"GET", "/xms/v1/plan1/groups", simtest.BearerHeader(simtest.Token), nil, 404},
		"unknown id":      {"GET", "/xms/v1/plan1/batches/01FC66621VHDBN119Z8PMV1QPQ", simtest.BearerHeader(simtest.Token), nil, 404},
		"unknown report":  {"GET", "/xms/v1/plan1/batches/01FC66621VHDBN119Z8PMV1QPQ/delivery_report", simtest.BearerHeader(simtest.Token), nil, 404},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := simtest.Call(t.Context(), tt.method, s.URL+tt.path, tt.header, tt.body)
			if err != nil || got.Status != tt.status {
				t.Fatalf("got %d %s, %v, want %d", got.Status, got.Raw, err, tt.status)
			}
		})
	}
}

// A batch with several recipients is one call: it counts for each recipient, and a
// rule for one of them applies to all.
func TestBatchWithSeveralRecipients(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{})
	one, two, bad := "12065551212", "12065551213", "12065551299"
	s.ForNumber(bad, 0, sinchsim.Behavior{Answer: sinchsim.AnswerRefuse, Code: "illegal_number_type"})
	if got := s.SendBatch(t, simtest.Batch().With("to", []any{one, two, bad})); got.Status != http.StatusForbidden {
		t.Errorf("with a refused number: %d %s", got.Status, got.Raw)
	}
	if reached := s.Accepted(sinchsim.ByNumber); len(reached) != 0 {
		t.Errorf("a refused call reached %v", reached)
	}
	for range 2 {
		s.SendBatch(t, simtest.Batch().With("to", []any{one, two}))
	}
	s.SendBatch(t, simtest.Batch().With("to", []any{one}))
	want := map[string]int{one: 3, two: 2}
	if diff := cmp.Diff(want, s.Accepted(sinchsim.ByNumber)); diff != "" {
		t.Errorf("calls by number (-want +got):\n%s", diff)
	}
	if stats := s.Stats(); stats.Accepted != 3 || stats.Reached != 5 {
		t.Errorf("%d calls reached %d recipients", stats.Accepted, stats.Reached)
	}
}
