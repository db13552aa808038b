package sinchsim_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

func TestRulesOfTheScript(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{})
	put := func(method, path, body string) {
		t.Helper()
		if got := s.Control(t, method, path, body); got.Status != http.StatusNoContent {
			t.Fatalf("%s %s: %d %s", method, path, got.Status, got.Raw)
		}
	}
	expect := func(what string, body simtest.Fields, want any) {
		t.Helper()
		if got := s.SendMMS(t, body); got.Fields["error-code"] != want {
			t.Errorf("%s: %s, want %v", what, got.Raw, want)
		}
	}
	m := simtest.MMS()
	put("PUT", "/default", `"E100"`)
	put("POST", "/next", `{"times":2,"behavior":"E101"}`)
	put("POST", "/next", `{"behavior":{"answer":"refuse","code":"E102"}}`)
	put("PUT", "/numbers/+12065551213", `{"times":1,"behavior":"E103"}`)
	put("PUT", "/references/msg_r", `{"behavior":"E105"}`)
	put("PUT", "/references/msg_r-2", `{"times":1,"behavior":"ok"}`)

	expect("message", m.With("client-reference", "msg_r-1"), "E105")
	expect("reference", m.With("client-reference", "msg_r-2").With("to", "12065551213"), nil)
	expect("number", m.With("to", "12065551213"), "E103")
	expect("first next, number used up", m.With("to", "12065551213"), "E101")
	expect("next wins over magic", m.With("to", "12065559002"), "E101")
	expect("second next", m, "E102")
	expect("magic wins over default", m.With("to", "12065559002"), "E114")
	expect("default", m, "E100")

	rules := s.Control(t, http.MethodGet, "/rules", "").Fields
	want := map[string]any{
		"default": map[string]any{"answer": "refuse", "code": "E100"}, "next": []any{}, "numbers": map[string]any{},
		"references": map[string]any{"msg_r": map[string]any{"behavior": map[string]any{"answer": "refuse", "code": "E105"}}},
		"latency":    "0s", "perSecond": 0.0, "burst": 0.0,
	}
	if diff := cmp.Diff(want, rules); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	put("DELETE", "/references/msg_r", "")
	put("DELETE", "/default", "")
	expect("all gone", m.With("client-reference", "msg_r-1"), nil)
	put("POST", "/next", `{"behavior":"E101"}`)
	put("DELETE", "/next", "")
	put("PUT", "/numbers/12065551212", `{"behavior":"E101"}`)
	put("DELETE", "/numbers/+12065551212", "")
	put("PUT", "/rate", `{"perSecond":0.001,"burst":1}`)
	expect("within the rate", m, nil)
	expect("above it", m, "E113")
	put("DELETE", "/rate", "")
	put("PUT", "/latency", `"1ms..2ms"`)
	if got := s.Rules().Latency.String(); got != "1ms..2ms" {
		t.Errorf("latency %s", got)
	}
	put("DELETE", "/latency", "")
	expect("no rate", m, nil)
}

func TestLongBehavior(t *testing.T) {
	t.Parallel()
	s, rec := simtest.StartWithReceiver(t, sinchsim.Options{})
	body := `{"answer":"http","accept":true,"status":503,"body":"{\"a\":1}","headers":{"Retry-After":"7"},"delay":"1ms",` +
		`"receipts":{"codes":["N101","E999"],"delay":"1ms","step":"1ms","duplicate":true}}`
	if got := s.Control(t, http.MethodPut, "/default", body); got.Status != http.StatusNoContent {
		t.Fatalf("%d %s", got.Status, got.Raw)
	}
	got := s.SendMMS(t, simtest.MMS())
	if got.Status != http.StatusServiceUnavailable || string(got.Raw) != `{"a":1}` || got.Header.Get("Retry-After") != "7" {
		t.Errorf("answer %d %s %v", got.Status, got.Raw, got.Header)
	}
	if diff := cmp.Diff([]any{"N101", "N101", "E999", "E999"}, rec.Codes(t, 4)); diff != "" {
		t.Errorf("receipts (-want +got):\n%s", diff)
	}
	if n := s.Stats().Accepted; n != 1 {
		t.Errorf("%d accepted", n)
	}
}

func TestControlRefuses(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{})
	tests := []struct{ method, path, body string }{
		{"PUT", "/default", ""},
		{"PUT", "/default", `"nonsense"`},
		{"PUT", "/default", `""`},
		{"PUT", "/default", `"ok:1s"`},
		{"PUT", "/default", `"slow:-1s"`},
		{"PUT", "/default", `"slow"`},
		{"PUT", "/default", `"99"`},
		{"PUT", "/default", `"refuse"`},
		{"PUT", "/default", `"http"`},
		{"PUT", "/default", `7`},
		{"PUT", "/default", `{"answer":"sing"}`},
		{"PUT", "/default", `{"answers":"ok"}`},
		{"PUT", "/default", `{"answer":"ok","accept":false}`},
		{"PUT", "/default", `{"answer":"http","status":700}`},
		{"PUT", "/default", `{"receipts":{"outcome":"lost"}}`},
		{"PUT", "/default", `{"delay":"-1s"}`},
		{"PUT", "/default", `{"delay":5}`},
		{"POST", "/next", `{"times":-1,"behavior":"ok"}`},
		{"POST", "/next", `{"time":1,"behavior":"ok"}`},
		{"PUT", "/numbers/12065551212", `{"behavior":"x"}`},
		{"PUT", "/references/a", `"ok"`},
		{"PUT", "/latency", `"200ms..100ms"`},
		{"PUT", "/latency", `100`},
		{"PUT", "/rate", `{"perSecond":-1}`},
		{"PUT", "/rate", `{"perSecond":1,"burst":-1}`},
		{"GET", "/calls?limit=0", ""},
		{"GET", "/calls?limit=x", ""},
		{"GET", "/calls?after=x", ""},
		{"GET", "/calls?accepted=x", ""},
		{"GET", "/accepted?min=0", ""},
		{"GET", "/accepted?limit=x", ""},
	}
	for _, tt := range tests {
		got := s.Control(t, tt.method, tt.path, tt.body)
		if text, _ := got.Fields["error"].(string); got.Status != http.StatusBadRequest || text == "" {
			t.Errorf("%s %s %s: %d %s", tt.method, tt.path, tt.body, got.Status, got.Raw)
		}
	}
	if diff := cmp.Diff(sinchsim.Behavior{}, s.Rules().Default); diff != "" {
		t.Errorf("the default was changed: %s", diff)
	}
}

// Each acceptance is counted once, also with concurrent calls.
func TestAcceptedIsExact(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{})
	s.SetDefault(simtest.Behavior(t, "drop"))
	var callers sync.WaitGroup
	for i := range 40 {
		callers.Go(func() {
			m := simtest.MMS().With("client-reference", "msg_"+strconv.Itoa(i%20)+"-"+strconv.Itoa(1+i/20)).
				With("to", strconv.Itoa(12065550000+i%10))
			_, err := simtest.Call(t.Context(), http.MethodPost, s.URL+simtest.MMSPath, simtest.MMSHeader(), simtest.JSON(t, m))
			if err == nil {
				t.Error("the call was answered")
			}
		})
	}
	callers.Wait()
	simtest.Eventually(t, "the calls end", func() bool { return s.Stats().InFlight == 0 })
	if st := s.Stats(); st.Accepted != 40 || st.Messages != 20 || st.Doubled != 20 {
		t.Errorf("stats %+v", st)
	}
	for by, want := range map[sinchsim.CountBy]map[string]int{
		sinchsim.ByMessage: counted(20, 2, func(i int) string { return "msg_" + strconv.Itoa(i) }),
		sinchsim.ByNumber:  counted(10, 4, func(i int) string { return strconv.Itoa(12065550000 + i) }),
		sinchsim.ByReference: counted(40, 1, func(i int) string {
			return "msg_" + strconv.Itoa(i%20) + "-" + strconv.Itoa(1+i/20)
		}),
	} {
		if diff := cmp.Diff(want, s.Accepted(by)); diff != "" {
			t.Errorf("by %s (-want +got):\n%s", by, diff)
		}
	}
	if n := len(s.Doubled()); n != 20 {
		t.Errorf("%d doubled", n)
	}
	if n := s.AcceptedFor(sinchsim.ByNumber, "+12065550001"); n != 4 {
		t.Errorf("%d for one number", n)
	}
}

func counted(keys, calls int, key func(i int) string) map[string]int {
	m := map[string]int{}
	for i := range keys {
		m[key(i)] = calls
	}
	return m
}

func TestReadBack(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{KeepBodies: true})
	s.SendMMS(t, simtest.MMS())
	s.SendMMS(t, simtest.MMS().With("client-reference", "msg_a-2"))
	s.SendMMS(t, simtest.MMS().With("client-reference", "msg_b-1").With("to", "12065559001"))
	s.SendBatch(t, simtest.Batch().With("client_reference", "msg_c-1"))

	for query, want := range map[string]int{
		"": 4, "?accepted=true": 3, "?accepted=false": 1, "?api=batches": 1, "?operation=sendmms": 3,
		"?message=msg_a": 2, "?reference=msg_a-2": 1, "?number=%2B12065551212": 3, "?after=3": 1, "?limit=2": 2,
	} {
		got := s.Control(t, http.MethodGet, "/calls"+query, "")
		if calls, _ := got.Fields["calls"].([]any); len(calls) != want {
			t.Errorf("calls%s: %d, want %d", query, len(calls), want)
		}
	}
	got := s.Control(t, http.MethodGet, "/calls?limit=1&after=2", "")
	first, _ := got.Fields["calls"].([]any)
	one, _ := first[0].(map[string]any)
	delete(one, "at")
	want := map[string]any{
		"seq": 3.0, "api": "mms", "operation": "sendmms", "reference": "msg_b-1", "message": "msg_b",
		"numbers": []any{"12065559001"}, "accepted": false, "answer": "E110",
		"body": one["body"],
	}
	if diff := cmp.Diff(want, one); diff != "" || got.Fields["next"] != 3.0 {
		t.Errorf("call (-want +got):\n%s", diff)
	}
	if body, _ := one["body"].(map[string]any); body["to"] != "12065559001" {
		t.Errorf("body %v", one["body"])
	}

	counts := func(kv ...any) []any {
		all := []any{}
		for i := 0; i < len(kv); i += 2 {
			all = append(all, map[string]any{"key": kv[i], "calls": kv[i+1]})
		}
		return all
	}
	for query, want := range map[string]struct {
		counts []any
		next   string
	}{
		"":                              {counts("msg_a", 2.0, "msg_c", 1.0), ""},
		"?min=2":                        {counts("msg_a", 2.0), ""},
		"?by=reference":                 {counts("msg_a-1", 1.0, "msg_a-2", 1.0, "msg_c-1", 1.0), ""},
		"?by=reference&limit=1":         {counts("msg_a-1", 1.0), "msg_a-1"},
		"?by=reference&after=msg_a-2":   {counts("msg_c-1", 1.0), ""},
		"?by=number":                    {counts("12065551212", 3.0), ""},
		"?message=msg_a":                {counts("msg_a", 2.0), ""},
		"?reference=msg_b-1":            {counts(), ""},
		"?number=%2B12065551212":        {counts("12065551212", 3.0), ""},
		"?number=%2B12065551212&min=10": {counts(), ""},
	} {
		got := s.Control(t, http.MethodGet, "/accepted"+query, "").Fields
		if diff := cmp.Diff(want.counts, got["counts"]); diff != "" || got["next"] != want.next {
			t.Errorf("accepted%s (-want +got):\n%s", query, diff)
		}
		if got["accepted"] != 3.0 || got["messages"] != 2.0 || got["doubled"] != 1.0 {
			t.Errorf("accepted%s: %v", query, got)
		}
	}
	s.AwaitReceipts(t)
	stats := s.Control(t, http.MethodGet, "/stats", "").Fields
	wantStats := map[string]any{
		"calls": 4.0, "accepted": 3.0, "lookups": 0.0, "inFlight": 0.0, "messages": 2.0, "doubled": 1.0, "reached": 3.0, "mediaFetches": 2.0,
		"answers": map[string]any{"ok": 3.0, "E110": 1.0}, "apis": map[string]any{"mms": 3.0, "batches": 1.0},
		"receipts": map[string]any{"scheduled": 6.0, "delivered": 6.0, "retried": 0.0, "dropped": 0.0, "pending": 0.0},
	}
	if diff := cmp.Diff(wantStats, stats); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

func TestReset(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{})
	s.ForNumber("12065551212", 0, simtest.Behavior(t, "E100"))
	s.ForReference("msg_z", 0, simtest.Behavior(t, "E100"))
	s.Next(5, simtest.Behavior(t, "E100"))
	s.SetDefault(simtest.Behavior(t, "E100"))
	s.SetRate(1, 1)
	id, _ := s.SendBatch(t, simtest.Batch().With("to", []any{"12065551213"})).Fields["id"].(string)
	if id != "" {
		t.Fatal("a rule was not followed")
	}
	if got := s.Control(t, http.MethodPost, "/reset", ""); got.Status != http.StatusNoContent {
		t.Fatalf("%d %s", got.Status, got.Raw)
	}
	if diff := cmp.Diff(sinchsim.Stats{Answers: map[string]uint64{}, APIs: map[sinchsim.API]uint64{}}, s.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
	if got := s.SendMMS(t, simtest.MMS()); got.Fields["status"] != "Success" {
		t.Errorf("after reset: %s", got.Raw)
	}
}

func TestCountsOnlyKeepsNothing(t *testing.T) {
	t.Parallel()
	s, rec := simtest.StartWithReceiver(t, sinchsim.Options{CountsOnly: true})
	s.SendMMS(t, simtest.MMS())
	s.SendBatch(t, simtest.Batch())
	rec.Codes(t, 4)
	st := s.Stats()
	if st.Calls != 2 || st.Accepted != 2 || len(s.Calls(sinchsim.CallFilter{})) != 0 || len(s.Accepted(sinchsim.ByNumber)) != 0 {
		t.Errorf("stats %+v", st)
	}
	if got := s.Batches(t, http.MethodGet, "/batches", nil); got.Fields["count"] != 0.0 {
		t.Errorf("batches are kept: %s", got.Raw)
	}
}

func TestDetailsAreBounded(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{MaxRecords: 3})
	var ids []string
	for i := range 5 {
		id, _ := s.SendBatch(t, simtest.Batch().With("client_reference", "msg_"+strconv.Itoa(i)+"-1")).Fields["id"].(string)
		ids = append(ids, id)
	}
	calls := s.Calls(sinchsim.CallFilter{})
	if len(calls) != 3 || calls[0].Seq != 3 || calls[2].Seq != 5 {
		t.Errorf("calls %+v", calls)
	}
	if n := len(s.Accepted(sinchsim.ByMessage)); n != 5 {
		t.Errorf("%d messages counted", n)
	}
	if got := s.Batches(t, http.MethodGet, "/batches", nil); got.Fields["count"] != 3.0 {
		t.Errorf("batches %s", got.Raw)
	}
	if got := s.Batches(t, http.MethodGet, "/batches/"+ids[0], nil); got.Status != http.StatusNotFound {
		t.Errorf("oldest batch: %d", got.Status)
	}
	if got := s.Batches(t, http.MethodGet, "/batches?client_reference=msg_1-1", nil); got.Fields["count"] != 0.0 {
		t.Errorf("dropped batch is listed: %s", got.Raw)
	}
}

// A query can contain bytes that are not UTF-8; the record stays readable.
func TestRecordSurvivesBadText(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{})
	s.Batches(t, http.MethodGet, "/batches?client_reference=%ff%00", nil)
	got := s.Control(t, http.MethodGet, "/calls", "")
	if calls, _ := got.Fields["calls"].([]any); len(calls) != 1 || !strings.Contains(string(got.Raw), "\ufffd") {
		t.Errorf("calls %s", got.Raw)
	}
}
