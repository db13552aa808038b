package sinchsim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	apiKey = "key-1"
	token  = "token-1"
	plan   = "plan1"
	// soon bounds what must happen; never bounds what must not, where nothing
	// else can tell.
	soon = time.Minute
)

// receiver accepts receipts over HTTP and answers by its script.
type receiver struct {
	url      string
	receipts chan postback
}

type postback struct {
	header http.Header
	query  string
	raw    []byte
	fields map[string]any
}

// newReceiver answers the n-th receipt with answers[n], the rest with 200.
func newReceiver(t *testing.T, answers ...int) *receiver {
	t.Helper()
	rec := &receiver{receipts: make(chan postback, 1000)}
	next := make(chan int, len(answers))
	for _, a := range answers {
		next <- a
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		p := postback{header: r.Header, query: r.URL.RawQuery, raw: raw}
		if err := json.Unmarshal(raw, &p.fields); err != nil {
			t.Errorf("receipt is not JSON: %v", err)
		}
		status := http.StatusOK
		select {
		case status = <-next:
		default:
		}
		w.WriteHeader(status)
		rec.receipts <- p
	}))
	t.Cleanup(server.Close)
	rec.url = server.URL
	return rec
}

func (r *receiver) next(t *testing.T) postback {
	t.Helper()
	select {
	case p := <-r.receipts:
		return p
	case <-time.After(soon):
		t.Fatal("no receipt came")
		return postback{}
	}
}

// codes waits for n receipts and returns their codes.
func (r *receiver) codes(t *testing.T, n int) []any {
	t.Helper()
	var codes []any
	for range n {
		codes = append(codes, r.next(t).fields["code"])
	}
	return codes
}

// quick makes receipts leave at once, in their order.
func quick(o sinchsim.Options) sinchsim.Options {
	o.Receipts.FirstWithin, o.Receipts.Step = -1, time.Millisecond
	o.Batches.Streams, o.Conversation.Streams = 1, 1
	o.MMS.RetryAfter, o.Batches.RetryAfter, o.Batches.SlowDown = time.Millisecond, time.Millisecond, time.Millisecond
	o.Conversation.RetryAfter = time.Millisecond
	return o
}

// start runs a simulator whose receipts of all APIs go to the receiver.
func start(t *testing.T, o sinchsim.Options) (*simtest.Server, *receiver) {
	t.Helper()
	rec := newReceiver(t)
	o.MMS.CallbackURL, o.Batches.CallbackURL, o.Conversation.CallbackURL = rec.url+"/dlr?token=t", rec.url, rec.url
	return newServer(t, o), rec
}

func newServer(t *testing.T, o sinchsim.Options) *simtest.Server {
	t.Helper()
	return simtest.Start(t, quick(o))
}

// fields are a request as JSON; with returns a changed copy, nil removes a field.
type fields map[string]any

func (f fields) with(key string, value any) fields {
	c := maps.Clone(f)
	if value == nil {
		delete(c, key)
		return c
	}
	c[key] = value
	return c
}

func anMMS() fields {
	return fields{
		"action": "sendmms", "service-id": "c-1", "to": "12065551212", "from": "28444",
		"message-subject": "Hi", "disable-fallback-sms": true, "client-reference": "msg_a-1",
		"slide": []any{fields{"message-text": "Hello", "image": fields{"url": "https://media.example.com/a.jpg"}}},
	}
}

func aBatch() fields {
	return fields{
		"type": "mt_media", "to": []any{"+12065551212"}, "from": "+12015555555", "delivery_report": "per_recipient",
		"client_reference": "msg_a-1", "body": fields{"url": "https://media.example.com/a.jpg", "message": "Hello"},
	}
}

// answer is what a client got to see.
type answer struct {
	status int
	header http.Header
	raw    []byte
	fields map[string]any
}

// call makes one call over a connection of its own.
func call(ctx context.Context, method, url string, header http.Header, body []byte) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header = header
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	a := answer{status: res.StatusCode, header: res.Header, raw: raw}
	if json.Unmarshal(raw, &a.fields) != nil {
		a.fields = nil
	}
	return a, err
}

func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func mmsHeader() http.Header {
	return http.Header{"Content-Type": {"application/json; charset=utf-8"}, "X-Api-Key": {apiKey}}
}

func xmsHeader() http.Header {
	return http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}}
}

func sendMMS(t *testing.T, s *simtest.Server, v any) answer {
	t.Helper()
	a, err := call(t.Context(), http.MethodPost, s.URL+"/ep/v2/", mmsHeader(), asJSON(t, v))
	if err != nil {
		t.Fatalf("send: %v", err)
	}
	return a
}

func xms(t *testing.T, s *simtest.Server, method, path string, v any) answer {
	t.Helper()
	var body []byte
	if v != nil {
		body = asJSON(t, v)
	}
	a, err := call(t.Context(), method, s.URL+"/xms/v1/"+plan+path, xmsHeader(), body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func sendBatch(t *testing.T, s *simtest.Server, v any) answer {
	t.Helper()
	return xms(t, s, http.MethodPost, "/batches", v)
}

func control(t *testing.T, s *simtest.Server, method, path, body string) answer {
	t.Helper()
	a, err := call(t.Context(), method, s.URL+"/sim"+path, http.Header{}, []byte(body))
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// eventually polls until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(soon)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never happened: %s", what)
		}
	}
}

// settled waits until no receipt is on its way.
func settled(t *testing.T, s *simtest.Server) {
	t.Helper()
	eventually(t, "receipts settle", func() bool { return s.Stats().Receipts.Pending == 0 })
}
