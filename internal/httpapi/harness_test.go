package httpapi_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	apidoc "mmsdispatch/api"
	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/jobs/receipts"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/pgtest"
	"mmsdispatch/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(redistest.Main(m))) }

const (
	liveKey  = "mms_live_AAAAAAAAAAAAAAAAAAAAAAAA"
	testKey  = "mms_test_AAAAAAAAAAAAAAAAAAAAAAAA"
	otherKey = "mms_live_BBBBBBBBBBBBBBBBBBBBBBBB"
)

// bundle is the API with fakes around it.
type bundle struct {
	url     string
	client  *http.Client
	now     time.Time
	ledger  *fakeLedger
	queue   *fakeQueue
	receipt *fakeReceipts
	optOuts *fakeOptOuts
	inbound *fakeInbound
	keys    *fakeKeys
	nonces  *fakeNonces
	events  *fakeEvents
	limiter *fakeLimiter
	metrics *fakeMetrics
	log     *lockedBuffer
	ready   *lockedStatus
	router  routers.Router
}

// lockedBuffer is a buffer that a server writes and a test reads.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// lockedStatus answers /readyz.
type lockedStatus struct {
	mu   sync.Mutex
	down bool
}

func (s *lockedStatus) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if s.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"status":"DOWN","down":["redis"],"warnings":[]}`)
		return
	}
	_, _ = io.WriteString(w, `{"status":"UP","down":[],"warnings":["no AOF"]}`)
}

// setup starts a server; configure may replace its dependencies before.
func setup(tb testing.TB, configure ...func(*httpapi.Options)) *bundle {
	tb.Helper()
	b := &bundle{
		now:     time.Date(2026, 3, 1, 12, 0, 0, 123_000_000, time.UTC),
		ledger:  &fakeLedger{},
		queue:   &fakeQueue{},
		receipt: &fakeReceipts{result: receipts.Applied},
		optOuts: &fakeOptOuts{},
		inbound: &fakeInbound{},
		nonces:  &fakeNonces{used: map[string]bool{}},
		keys: &fakeKeys{callers: map[string]httpapi.Caller{
			liveKey:  {Scope: message.Scope{Tenant: "shop"}, KeyID: "key-1", Send: true, Read: true},
			testKey:  {Scope: message.Scope{Tenant: "shop", Test: true}, KeyID: "key-2", Send: true, Read: true},
			otherKey: {Scope: message.Scope{Tenant: "bank"}, KeyID: "key-3", Send: true, Read: true},
		}},
		events:  &fakeEvents{},
		limiter: &fakeLimiter{answer: httpapi.Allowance{Allowed: true}},
		metrics: &fakeMetrics{counts: map[string]int{}},
		log:     &lockedBuffer{},
		ready:   &lockedStatus{},
		router:  documentRouter(tb),
	}
	b.ledger.clock = func() time.Time { return b.now }
	opts := httpapi.Options{
		Ledger: b.ledger, Dispatcher: b.queue, Receipts: b.receipt, Nonces: b.nonces, Limiter: b.limiter, Rate: 1, Metrics: b.metrics,
		Keys: b.keys, OptOuts: b.optOuts, Inbound: b.inbound, Pauses: noPauses{}, Events: b.events,
		Rules: message.NewRules(message.RuleOptions{
			DefaultRegion: "US", Destinations: []string{"US", "CA", "AU", "PR"}, Sender: "+12065550100", Senders: []string{"28444"},
		}),
		Webhook: httpapi.WebhookOptions{Token: "hook-token", MaxAge: time.Hour},
		Ready:   b.ready, Log: zerolog.New(b.log), NowFunc: func() time.Time { return b.now },
		StorageTimeout: time.Minute, // for a busy machine
	}
	for _, change := range configure {
		change(&opts)
	}
	handler, err := httpapi.New(opts)
	if err != nil {
		tb.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.Config = httpapi.NewServer("", handler)
	server.Start()
	tb.Cleanup(server.Close)
	b.url, b.client = server.URL, server.Client()
	return b
}

// documentRouter finds the operation of a request in openapi.yaml.
func documentRouter(tb testing.TB) routers.Router {
	tb.Helper()
	checkTimes()
	document, err := openapi3.NewLoader().LoadFromData(apidoc.OpenAPI)
	if err != nil {
		tb.Fatal(err)
	}
	router, err := gorillamux.NewRouter(document)
	if err != nil {
		tb.Fatal(err)
	}
	return router
}

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// request is what do sends.
type request struct {
	method, path, body string
	key                string // none when empty
	header             http.Header
	chunked            bool
}

func get(path string) request  { return request{method: http.MethodGet, path: path, key: liveKey} }
func head(path string) request { return request{method: http.MethodHead, path: path, key: liveKey} }

func post(path, body string) request {
	r := request{method: http.MethodPost, path: path, body: body, key: liveKey}
	if body != "" {
		r.header = http.Header{"Content-Type": {"application/json"}}
	}
	return r
}

// with adds a header line.
func (r request) with(name, value string) request {
	r.header = r.header.Clone()
	if r.header == nil {
		r.header = http.Header{}
	}
	r.header.Add(name, value)
	return r
}

// without removes a header.
func (r request) without(name string) request {
	r.header = maps.Clone(r.header)
	delete(r.header, name)
	return r
}

// as uses another API key.
func (r request) as(key string) request {
	r.key = key
	return r
}

// do sends a request and checks the answer against openapi.yaml.
func (b *bundle) do(tb testing.TB, r request) answer {
	tb.Helper()
	var body io.Reader = strings.NewReader(r.body)
	if r.chunked {
		body = io.MultiReader(body) // of unknown length
	}
	sent, err := http.NewRequestWithContext(tb.Context(), r.method, b.url+r.path, body)
	if err != nil {
		tb.Fatal(err)
	}
	maps.Copy(sent.Header, r.header)
	if r.key != "" {
		sent.Header.Set("Authorization", "Bearer "+r.key)
	}
	response, err := b.client.Do(sent)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		tb.Fatal(err)
	}
	got := answer{status: response.StatusCode, header: response.Header, body: raw}
	b.checkDocument(tb, sent, got)
	return got
}

// checkDocument: every response in any test must be one that the document
// describes.
func (b *bundle) checkDocument(tb testing.TB, sent *http.Request, got answer) {
	tb.Helper()
	if got.header.Get("X-Request-Id") == "" {
		tb.Error("answer without X-Request-Id")
	}
	if got.status == http.StatusMethodNotAllowed || sent.Method == http.MethodHead {
		return // not in the document, which lists what there is
	}
	route, params, err := b.router.FindRoute(sent)
	if err != nil {
		if got.status != http.StatusNotFound {
			tb.Errorf("%s %s answers %d and is not in the document", sent.Method, sent.URL.Path, got.status)
		}
		return
	}
	err = openapi3filter.ValidateResponse(tb.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: sent, PathParams: params, Route: route},
		Status:                 got.status,
		Header:                 got.header,
		Body:                   io.NopCloser(bytes.NewReader(got.body)),
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true, MultiError: true,
			ExcludeResponseBody: strings.HasPrefix(got.header.Get("Content-Type"), "text/html"),
		},
	})
	if err != nil {
		tb.Errorf("%s %s → %d is not as the document says: %.300s", sent.Method, sent.URL.Path, got.status, err.Error())
	}
}

// problem is the JSON of a refusal.
type problem struct {
	Type, Title, Detail, Code, RequestID string
	Status                               int
	Errors                               []struct{ Field, Code, Message string }
}

// refused checks that an answer is a problem with the given code.
func (got answer) refused(tb testing.TB, status int, code string) problem {
	tb.Helper()
	var p problem
	if err := json.Unmarshal(got.body, &p); err != nil {
		tb.Fatalf("status %d: %v: %s", got.status, err, got.body)
	}
	if mediaType := got.header.Get("Content-Type"); mediaType != "application/problem+json" {
		tb.Errorf("Content-Type = %q", mediaType)
	}
	if got.status != status || p.Status != status || p.Code != code {
		tb.Errorf("status %d (%d in the body), code %q; want %d, %q: %s", got.status, p.Status, p.Code, status, code, got.body)
	}
	if p.RequestID != got.header.Get("X-Request-Id") || p.Title == "" || p.Detail == "" || p.Type == "" {
		tb.Errorf("incomplete problem: %s", got.body)
	}
	return p
}

// invalid checks that a response is a validation problem with these errors.
func (got answer) invalid(tb testing.TB) problem {
	tb.Helper()
	return got.refused(tb, http.StatusBadRequest, "validation_failed")
}

// fields writes the errors as "field code".
func (p problem) fields() []string {
	var out []string
	for _, e := range p.Errors {
		out = append(out, e.Field+" "+e.Code)
	}
	return out
}

// ok checks the status and decodes the body.
func (got answer) ok(tb testing.TB, status int) map[string]any {
	tb.Helper()
	if got.status != status {
		tb.Fatalf("status %d, want %d: %s", got.status, status, got.body)
	}
	var body map[string]any
	if err := json.Unmarshal(got.body, &body); err != nil {
		tb.Fatalf("%v: %s", err, got.body)
	}
	return body
}

// create sends a message and returns its id.
func (b *bundle) create(tb testing.TB, more string) message.ID {
	tb.Helper()
	body := b.do(tb, post("/v1/messages", messageBody(more))).ok(tb, http.StatusAccepted)
	id, _ := body["id"].(string)
	return message.ID(id)
}

// messageBody is a valid body with more fields.
func messageBody(more string) string {
	return `{"to":"+12065551212","mediaUrl":"https://media.example.com/a.jpg"` + strings.TrimSuffix(","+more, ",") + `}`
}

// eventually waits for an effect that happens after the response.
func eventually(tb testing.TB, what string, done func() bool) {
	tb.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline.C:
			tb.Fatalf("never happened: %s", what)
		case <-tick.C:
		}
	}
}

// decode reads the body of an answer.
func decode(tb testing.TB, got answer, into any) {
	tb.Helper()
	if err := json.Unmarshal(got.body, into); err != nil {
		tb.Fatalf("status %d: %v: %.300s", got.status, err, got.body)
	}
}

// checkTimes makes the document's validator check the API's form of times: in UTC
// and with milliseconds.
var checkTimes = sync.OnceFunc(func() {
	openapi3.DefineStringFormatValidator("date-time",
		openapi3.NewRegexpFormatValidator(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`))
})
