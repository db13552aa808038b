package sinchsim_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinch/sinchsim"
	"mmsdispatch/internal/sinch/sinchsim/simtest"
)

var (
	ulidForm = regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{26}$`)
	timeForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
)

func TestBatchAccepted(t *testing.T) {
	t.Parallel()
	s, _ := start(t, sinchsim.Options{})
	expire := time.Now().Add(24 * time.Hour).UTC()
	got := sendBatch(t, s, aBatch().
		with("to", []any{"+12065551212", "0012065551213", "12065551214", "12065551214"}).
		with("parameters", fields{"name": fields{"12065551212": "Ann", "default": "there"}}).
		with("expire_at", expire.Format(time.RFC3339)).
		with("callback_url", "http://127.0.0.1:1/x"))
	id, _ := got.fields["id"].(string)
	created, _ := got.fields["created_at"].(string)
	if got.status != http.StatusCreated || !ulidForm.MatchString(id) || !timeForm.MatchString(created) {
		t.Fatalf("%d %s", got.status, got.raw)
	}
	want := map[string]any{
		"id": id, "to": []any{"12065551212", "12065551213", "12065551214"}, "from": "12015555555", "canceled": false,
		"parameters": map[string]any{"name": map[string]any{"12065551212": "Ann", "default": "there"}},
		"body":       map[string]any{"url": "https://media.example.com/a.jpg", "message": "Hello"},
		"type":       "mt_media", "created_at": created, "modified_at": created, "delivery_report": "per_recipient",
		"expire_at": expire.Truncate(time.Second).Format("2006-01-02T15:04:05.000Z"), "callback_url": "http://127.0.0.1:1/x",
		"client_reference": "msg_a-1", "feedback_enabled": false, "strict_validation": false,
	}
	if diff := cmp.Diff(want, got.fields); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	found := xms(t, s, http.MethodGet, "/batches/"+id, nil)
	if diff := cmp.Diff(got.fields, found.fields); diff != "" || found.status != http.StatusOK {
		t.Errorf("get (-sent +got):\n%s", diff)
	}
}

func TestBatchRefused(t *testing.T) {
	t.Parallel()
	s := simtest.Start(t, quick(sinchsim.Options{Batches: sinchsim.BatchesOptions{Token: token, Plan: plan}}))
	b := aBatch().with("delivery_report", "none")
	body := func(kv ...any) fields {
		f := fields{"url": "https://media.example.com/a.jpg"}
		for i := 0; i < len(kv); i += 2 {
			f[kv[i].(string)] = kv[i+1]
		}
		return b.with("body", f)
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
		"type missing":         {b.with("type", nil), 400, constraint},
		"type text":            {b.with("type", "mt_text"), 400, constraint},
		"to missing":           {b.with("to", nil), 400, constraint},
		"to empty":             {b.with("to", []any{}), 400, constraint},
		"to of 1001":           {b.with("to", many), 400, constraint},
		"to as text":           {b.with("to", "12065551212"), 400, format},
		"to of numbers":        {b.with("to", []any{12065551212}), 400, format},
		"to no number":         {b.with("to", []any{"foo"}), 400, format},
		"group":                {b.with("to", []any{"01FC66621VHDBN119Z8PMV1QPQ"}), 403, "unknown_group"},
		"from missing":         {b.with("from", nil), 400, constraint},
		"from bad":             {b.with("from", "me"), 400, format},
		"body missing":         {b.with("body", nil), 400, constraint},
		"body as text":         {b.with("body", "https://x/a.jpg"), 400, format},
		"url missing":          {body("url", ""), 400, constraint},
		"url bad":              {body("url", "file:///a"), 400, format},
		"url too long":         {body("url", "https://x/"+strings.Repeat("a", 2048)), 400, constraint},
		"message too long":     {body("message", strings.Repeat("a", 5001)), 400, constraint},
		"subject too long":     {body("subject", strings.Repeat("a", 81)), 400, constraint},
		"parameter key":        {b.with("parameters", fields{"a b": fields{"default": "x"}}), 400, format},
		"parameter key length": {b.with("parameters", fields{strings.Repeat("a", 17): fields{"default": "x"}}), 400, format},
		"parameter number":     {b.with("parameters", fields{"a": fields{"foo": "x"}}), 400, format},
		"parameter value":      {b.with("parameters", fields{"a": fields{"default": strings.Repeat("x", 161)}}), 400, constraint},
		"report style":         {b.with("delivery_report", "all"), 400, format},
		"report without url":   {b.with("delivery_report", "full"), 403, "missing_callback_url"},
		"send_at":              {b.with("send_at", "soon"), 400, format},
		"expire_at":            {b.with("expire_at", "late"), 400, format},
		"expired":              {b.with("expire_at", "2020-01-01T00:00:00Z"), 400, constraint},
		"expires too late":     {b.with("expire_at", time.Now().Add(73 * time.Hour).Format(time.RFC3339)), 400, constraint},
		"callback url":         {b.with("callback_url", "gopher://x"), 400, format},
		"callback url length":  {b.with("callback_url", "http://x/"+strings.Repeat("a", 2048)), 400, format},
		"reference length":     {b.with("client_reference", strings.Repeat("a", 2049)), 400, constraint},
		"flag as text":         {b.with("strict_validation", "true"), 400, format},
		"array":                {[]any{}, 400, format},
		"broken json":          {nil, 400, invalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := sendBatch(t, s, tt.body)
			text, _ := got.fields["text"].(string)
			if got.status != tt.status || got.fields["code"] != tt.code || text == "" {
				t.Fatalf("got %d %s, want %d %v", got.status, got.raw, tt.status, tt.code)
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
	s := simtest.Start(t, quick(sinchsim.Options{Batches: sinchsim.BatchesOptions{Token: token, Plan: plan}}))
	good := asJSON(t, aBatch().with("delivery_report", "none"))
	header := func(key, value string) http.Header {
		h := xmsHeader()
		h.Set(key, value)
		return h
	}
	tests := map[string]struct {
		method, path string
		header       http.Header
		body         []byte
		status       int
	}{
		"good":            {"POST", "/xms/v1/plan1/batches", xmsHeader(), good, 201},
		"charset":         {"POST", "/xms/v1/plan1/batches", header("Content-Type", "application/json; charset=utf-8"), good, 201},
		"no token":        {"POST", "/xms/v1/plan1/batches", header("Authorization", ""), good, 401},
		"other token":     {"POST", "/xms/v1/plan1/batches", header("Authorization", "Bearer x"), good, 401},
		"other scheme":    {"POST", "/xms/v1/plan1/batches", header("Authorization", "Basic "+token), good, 401},
		"other plan":      {"POST", "/xms/v1/plan2/batches", xmsHeader(), good, 401},
		"other plan list": {"GET", "/xms/v1/plan2/batches", xmsHeader(), nil, 401},
		"media type":      {"POST", "/xms/v1/plan1/batches", header("Content-Type", "text/plain"), good, 415},
		"too large":       {"POST", "/xms/v1/plan1/batches", xmsHeader(), append(make([]byte, 1<<20), good...), 413},
		"wrong verb":      {"PATCH", "/xms/v1/plan1/batches", xmsHeader(), nil, 405},
		"unknown path":    {"GET", "/xms/v1/plan1/groups", xmsHeader(), nil, 404},
		"unknown id":      {"GET", "/xms/v1/plan1/batches/01FC66621VHDBN119Z8PMV1QPQ", xmsHeader(), nil, 404},
		"unknown report":  {"GET", "/xms/v1/plan1/batches/01FC66621VHDBN119Z8PMV1QPQ/delivery_report", xmsHeader(), nil, 404},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := call(t.Context(), tt.method, s.URL+tt.path, tt.header, tt.body)
			if err != nil || got.status != tt.status {
				t.Fatalf("got %d %s, %v, want %d", got.status, got.raw, err, tt.status)
			}
		})
	}
}

func TestReportStyles(t *testing.T) {
	t.Parallel()
	one := func(code float64, status string) map[string]any {
		return map[string]any{"code": code, "status": status, "count": 1.0}
	}
	withNumber := one(0, "Delivered")
	withNumber["recipients"] = []any{"12065551212"}
	tests := map[string]struct {
		codes    []any // of recipient reports
		statuses []any // of a report about the batch
	}{
		"none":                {},
		"per_recipient":       {codes: []any{401.0, 0.0}},
		"per_recipient_final": {codes: []any{0.0}},
		"summary":             {statuses: []any{one(0, "Delivered")}},
		"full":                {statuses: []any{withNumber}},
	}
	for style, tt := range tests {
		t.Run(style, func(t *testing.T) {
			t.Parallel()
			s, rec := start(t, sinchsim.Options{})
			id := sendBatch(t, s, aBatch().with("delivery_report", style)).fields["id"]
			for _, code := range tt.codes {
				p := rec.next(t)
				at, _ := p.fields["at"].(string)
				status := "Delivered"
				if code == 401.0 {
					status = "Dispatched"
				}
				want := map[string]any{
					"type": "recipient_delivery_report_mms", "batch_id": id, "recipient": "12065551212", "code": code,
					"status": status, "at": at, "operator_status_at": at, "operator": "31003", "client_reference": "msg_a-1",
				}
				if diff := cmp.Diff(want, p.fields); diff != "" || !timeForm.MatchString(at) {
					t.Errorf("report (-want +got):\n%s", diff)
				}
			}
			if tt.statuses != nil {
				want := map[string]any{
					"type": "delivery_report_mms", "batch_id": id, "total_message_count": 1.0,
					"client_reference": "msg_a-1", "statuses": tt.statuses,
				}
				if diff := cmp.Diff(want, rec.next(t).fields); diff != "" {
					t.Errorf("report (-want +got):\n%s", diff)
				}
			}
			settled(t, s)
			total := len(tt.codes) + min(len(tt.statuses), 1)
			if n := s.Stats().Receipts.Delivered; n != uint64(total) {
				t.Errorf("%d reports, want %d", n, total)
			}
		})
	}
}

// A report about a whole batch waits for every recipient.
func TestSummaryOfUnfinishedBatchNeverComes(t *testing.T) {
	t.Parallel()
	s, _ := start(t, sinchsim.Options{})
	sendBatch(t, s, aBatch().with("delivery_report", "summary").with("to", []any{"12065551212", "12065559007"}))
	if n := s.Stats().Receipts.Scheduled; n != 0 {
		t.Errorf("%d reports", n)
	}
}

func TestBatchCallbackURLWins(t *testing.T) {
	t.Parallel()
	s, ofPlan := start(t, sinchsim.Options{})
	own := newReceiver(t)
	sendBatch(t, s, aBatch().with("callback_url", own.url+"/hook"))
	own.codes(t, 2)
	if len(ofPlan.receipts) != 0 {
		t.Error("the plan's URL was called too")
	}
}

func TestCallbackCredentials(t *testing.T) {
	t.Parallel()
	const secret = "foo_secret1234"
	s, rec := start(t, sinchsim.Options{Batches: sinchsim.BatchesOptions{Secret: secret, User: "u", Password: "p"}})
	sendBatch(t, s, aBatch())
	nonces := map[string]bool{}
	for range 2 {
		p := rec.next(t)
		nonce, at := p.header.Get("x-sinch-webhook-signature-nonce"), p.header.Get("x-sinch-webhook-signature-timestamp")
		nonces[nonce] = true
		if got, want := p.header.Get("x-sinch-webhook-signature"), sinchsim.Sign(secret, p.raw, nonce, at); got != want {
			t.Errorf("signature %q, want %q", got, want)
		}
		if algorithm := p.header.Get("x-sinch-webhook-signature-algorithm"); algorithm != "HmacSHA256" {
			t.Errorf("algorithm %q", algorithm)
		}
		if got := p.header.Get("Authorization"); got != "Basic "+base64.StdEncoding.EncodeToString([]byte("u:p")) {
			t.Errorf("authorization %q", got)
		}
	}
	if len(nonces) != 2 {
		t.Error("a nonce came twice")
	}
}

// The vector is the one of Sinch's own SDK for Node.
func TestSign(t *testing.T) {
	t.Parallel()
	body := `{"at":"2025-01-13T09:22:40.914Z","batch_id":"01JHFFHQ0P99JPPNQPJDV7JTBP","client_reference":"a client reference",` +
		`"code":0,"operator_status_at":"2025-01-13T09:22:00Z","recipient":"33662162466","status":"Delivered","type":"recipient_delivery_report_sms"}`
	got := sinchsim.Sign("SMSWebhooksSecret", []byte(body), "01JHFFHWYY7HSS4FWTMDTQEK8V", "1736760161")
	if got != "ZoHei66PPN/kZjw7hFVfGhJOnml3iGNCMWoyQVcE5o0=" {
		t.Errorf("signature %s", got)
	}
}

func TestListBatches(t *testing.T) {
	t.Parallel()
	s, _ := start(t, sinchsim.Options{})
	var ids []any
	for i := range 3 {
		ids = append(ids, sendBatch(t, s, aBatch().with("client_reference", "msg_"+strconv.Itoa(i)+"-1")).fields["id"])
	}
	later := url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339))
	earlier := url.QueryEscape(time.Now().Add(-time.Hour).Format(time.RFC3339))
	tests := map[string]struct {
		query       string
		count, page float64
		ids         []any
	}{
		"all":             {"", 3, 0, []any{ids[2], ids[1], ids[0]}},
		"by reference":    {"client_reference=msg_1-1", 1, 0, []any{ids[1]}},
		"no such":         {"client_reference=msg_1", 0, 0, nil},
		"first page":      {"page_size=2", 3, 0, []any{ids[2], ids[1]}},
		"second page":     {"page_size=2&page=1", 3, 1, []any{ids[0]}},
		"past the end":    {"page_size=2&page=2", 3, 2, nil},
		"far past it":     {"page=9223372036854775807", 3, 9223372036854775807, nil},
		"from":            {"from=12015555555,1", 3, 0, []any{ids[2], ids[1], ids[0]}},
		"from another":    {"from=1", 0, 0, nil},
		"since later":     {"start_date=" + later, 0, 0, nil},
		"since earlier":   {"start_date=" + earlier + "&client_reference=msg_2-1", 1, 0, []any{ids[2]}},
		"until earlier":   {"end_date=" + earlier, 0, 0, nil},
		"until later":     {"end_date=" + later, 3, 0, []any{ids[2], ids[1], ids[0]}},
		"without a zone":  {"start_date=2020-01-01T00:00:00", 3, 0, []any{ids[2], ids[1], ids[0]}},
		"unknown ignored": {"foo=bar", 3, 0, []any{ids[2], ids[1], ids[0]}},
	}
	for name, tt := range tests {
		got := xms(t, s, http.MethodGet, "/batches?"+tt.query, nil)
		var found []any
		batches, ok := got.fields["batches"].([]any)
		for _, b := range batches {
			found = append(found, b.(map[string]any)["id"])
		}
		if diff := cmp.Diff(tt.ids, found); diff != "" || !ok || got.status != http.StatusOK {
			t.Errorf("%s: %d (-want +got):\n%s", name, got.status, diff)
		}
		if got.fields["count"] != tt.count || got.fields["page"] != tt.page || got.fields["page_size"] != float64(len(tt.ids)) {
			t.Errorf("%s: %s", name, got.raw)
		}
	}
	for _, query := range []string{"page=-1", "page=x", "page_size=0", "page_size=101", "start_date=x", "end_date=x"} {
		if got := xms(t, s, http.MethodGet, "/batches?"+query, nil); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d", query, got.status)
		}
	}
	if st := s.Stats(); st.Calls != 3 || st.Lookups != 21 {
		t.Errorf("%d calls, %d look-ups", st.Calls, st.Lookups)
	}
	if n := len(s.Calls(sinchsim.CallFilter{Operation: "list", Reference: "msg_1-1"})); n != 1 {
		t.Errorf("%d look-ups of one reference in the book", n)
	}
}

// A call that was accepted and never answered is found by its reference.
func TestUnknownCallIsFound(t *testing.T) {
	t.Parallel()
	s, _ := start(t, sinchsim.Options{})
	s.Next(1, behavior(t, "reset_after"))
	if _, err := call(t.Context(), http.MethodPost, s.URL+"/xms/v1/"+plan+"/batches", xmsHeader(), asJSON(t, aBatch())); err == nil {
		t.Fatal("the call was answered")
	}
	got := xms(t, s, http.MethodGet, "/batches?client_reference=msg_a-1", nil)
	batches, _ := got.fields["batches"].([]any)
	calls := s.Calls(sinchsim.CallFilter{Accepted: new(true)})
	if len(batches) != 1 || len(calls) != 1 || batches[0].(map[string]any)["id"] != calls[0].ID {
		t.Errorf("found %s, accepted %+v", got.raw, calls)
	}
}

func TestNewBatchIsListedLater(t *testing.T) {
	t.Parallel()
	s, _ := start(t, sinchsim.Options{Batches: sinchsim.BatchesOptions{ListDelay: 300 * time.Millisecond}})
	id, _ := sendBatch(t, s, aBatch()).fields["id"].(string)
	if got := xms(t, s, http.MethodGet, "/batches?client_reference=msg_a-1", nil); got.fields["count"] != 0.0 {
		t.Errorf("listed at once: %s", got.raw)
	}
	if got := xms(t, s, http.MethodGet, "/batches/"+id, nil); got.status != http.StatusNotFound {
		t.Errorf("got at once: %d", got.status)
	}
	eventually(t, "the batch is listed", func() bool {
		return xms(t, s, http.MethodGet, "/batches?client_reference=msg_a-1", nil).fields["count"] == 1.0
	})
}

func TestReportsOnRequest(t *testing.T) {
	t.Parallel()
	s, _ := start(t, sinchsim.Options{})
	id, _ := sendBatch(t, s, aBatch().with("to", []any{"12065551212", "12065559004", "12065559007"})).fields["id"].(string)
	eventually(t, "two recipients are final", func() bool {
		return xms(t, s, http.MethodGet, "/delivery_reports?client_reference=msg_a-1", nil).fields["count"] == 2.0
	})
	report := func(query string) any {
		return xms(t, s, http.MethodGet, "/batches/"+id+"/delivery_report"+query, nil).fields["statuses"]
	}
	row := func(code float64, status string, numbers ...any) map[string]any {
		r := map[string]any{"code": code, "status": status, "count": 1.0}
		if numbers != nil {
			r["recipients"] = numbers
		}
		return r
	}
	for query, want := range map[string]any{
		"":                           []any{row(0, "Delivered"), row(401, "Dispatched"), row(415, "Rejected")},
		"?type=full&code=415":        []any{row(415, "Rejected", "12065559004")},
		"?type=summary&status=other": []any{},
		"?status=delivered,REJECTED": []any{row(0, "Delivered"), row(415, "Rejected")},
	} {
		if diff := cmp.Diff(want, report(query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	for path, want := range map[string]any{"+12065559004": 415.0, "12065559007": 401.0, "12065550000": nil} {
		got := xms(t, s, http.MethodGet, "/batches/"+id+"/delivery_report/"+path, nil)
		if got.fields["code"] != want {
			t.Errorf("%s: %d %s", path, got.status, got.raw)
		}
	}
	if got := xms(t, s, http.MethodGet, "/delivery_reports?code=0", nil); got.fields["count"] != 1.0 {
		t.Errorf("delivered: %s", got.raw)
	}
	if got := xms(t, s, http.MethodGet, "/batches/"+id+"/delivery_report?type=short", nil); got.status != http.StatusBadRequest {
		t.Errorf("unknown type: %d", got.status)
	}
}

func TestScheduledBatchIsCanceled(t *testing.T) {
	t.Parallel()
	s, _ := start(t, sinchsim.Options{})
	send := aBatch().with("send_at", time.Now().Add(time.Hour).Format(time.RFC3339))
	id, _ := sendBatch(t, s, send).fields["id"].(string)
	got := xms(t, s, http.MethodDelete, "/batches/"+id, nil)
	if got.status != http.StatusOK || got.fields["canceled"] != true {
		t.Fatalf("%d %s", got.status, got.raw)
	}
	report := xms(t, s, http.MethodGet, "/batches/"+id+"/delivery_report", nil)
	if diff := cmp.Diff([]any{}, report.fields["statuses"]); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestDryRunAndFeedback(t *testing.T) {
	t.Parallel()
	s, _ := start(t, sinchsim.Options{})
	b := aBatch().with("to", []any{"12065551212", "12065551213"})
	got := xms(t, s, http.MethodPost, "/batches/dry_run?per_recipient=true&number_of_recipients=1", b)
	want := map[string]any{
		"number_of_recipients": 2.0, "number_of_messages": 2.0, "per_recipient": []any{map[string]any{
			"recipient": "12065551212", "number_of_parts": 1.0, "body": "Hello", "encoding": "text",
		}},
	}
	if diff := cmp.Diff(want, got.fields); diff != "" {
		t.Errorf("dry run (-want +got):\n%s", diff)
	}
	for _, path := range []string{"/batches/dry_run?number_of_recipients=x", "/batches/dry_run?number_of_recipients=1001"} {
		if got := xms(t, s, http.MethodPost, path, b); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	if n := s.Stats().Calls; n != 0 {
		t.Errorf("a dry run counts as %d calls", n)
	}
	id, _ := sendBatch(t, s, b).fields["id"].(string)
	if got := xms(t, s, http.MethodPost, "/batches/"+id+"/delivery_feedback", fields{"recipients": []any{}}); got.status != http.StatusAccepted {
		t.Errorf("feedback: %d", got.status)
	}
}

func TestParameterWithoutValueFailsAlone(t *testing.T) {
	t.Parallel()
	s, rec := start(t, sinchsim.Options{})
	sendBatch(t, s, aBatch().with("to", []any{"12065551212", "12065551213"}).with("delivery_report", "per_recipient_final").
		with("body", fields{"url": "https://x/a.jpg", "message": "Hi ${name}"}).
		with("parameters", fields{"name": fields{"+12065551212": "Ann"}}))
	got := map[any]any{}
	for range 2 {
		p := rec.next(t)
		got[p.fields["recipient"]] = p.fields["code"]
	}
	if diff := cmp.Diff(map[any]any{"12065551212": 0.0, "12065551213": 405.0}, got); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
}

// Recipients leave the plan's queue one after the other.
func TestDrainRate(t *testing.T) {
	t.Parallel()
	s, rec := start(t, sinchsim.Options{Batches: sinchsim.BatchesOptions{DrainRate: 20}})
	sendBatch(t, s, aBatch().with("to", []any{"12065551212", "12065551213", "12065551214"}))
	var at []time.Time
	for range 6 {
		p := rec.next(t)
		if p.fields["code"] == 401.0 {
			text, _ := p.fields["at"].(string)
			when, err := time.Parse(time.RFC3339, text)
			if err != nil {
				t.Fatal(err)
			}
			at = append(at, when)
		}
	}
	if len(at) != 3 || at[2].Sub(at[0]) != 100*time.Millisecond {
		t.Errorf("dispatched at %v", at)
	}
}
