package console_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"mmsdispatch/internal/console"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }

// number is what no page may show.
const number = "+12065551212"

// pages is the queue pages over a Redis with one task in each lane and one
// task whose payload, result and error must not be shown.
type pages struct {
	*httptest.Server

	inspector *asynq.Inspector
}

func setup(t *testing.T, change func(*console.Options)) *pages {
	t.Helper()

	database := redistest.Shared(t)
	opt := asynq.RedisClientOpt{Addr: database.Addr(), DB: database.Number()}
	client := asynq.NewClientFromRedisClient(database.Client(t))

	for _, lane := range []string{"high", "normal", "bulk"} {
		if _, err := client.EnqueueContext(t.Context(), asynq.NewTask("send", nil), asynq.Queue(lane), asynq.TaskID("msg_"+lane)); err != nil {
			t.Fatal(err)
		}
	}

	opts := console.Options{Redis: opt}
	if change != nil {
		change(&opts)
	}

	queues, err := console.NewQueues(opts)
	if err != nil {
		t.Fatal(err)
	}

	server := httptest.NewServer(queues)

	t.Cleanup(func() {
		server.Close()

		if err := queues.Close(); err != nil {
			t.Error(err)
		}
	})
	return &pages{Server: server, inspector: asynq.NewInspectorFromRedisClient(database.Client(t))}
}

func (p *pages) ask(tb testing.TB, method, path string, headers ...string) (*http.Response, string) {
	tb.Helper()

	request, err := http.NewRequestWithContext(tb.Context(), method, p.URL+path, http.NoBody)
	if err != nil {
		tb.Fatal(err)
	}

	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}

	answer, err := p.Client().Do(request)
	if err != nil {
		tb.Fatal(err)
	}
	defer answer.Body.Close()

	body, err := io.ReadAll(answer.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return answer, string(body)
}

// The page loads nothing from other hosts, and all that it requests is available with the
// type that a browser requires with nosniff.
func TestPageIsComplete(t *testing.T) {
	t.Parallel()

	p := setup(t, nil)

	for _, path := range []string{"/queues/", "/queues/queues/high", "/queues/queues/high/tasks/msg_high", "/queues/redis"} {
		answer, page := p.ask(t, http.MethodGet, path)
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Fatalf("%s: %d %s", path, answer.StatusCode, answer.Header.Get("Content-Type"))
		}

		if outside := regexp.MustCompile(`(?:src|href)="(?:https?:)?//[^"]*`).FindString(page); outside != "" || strings.Contains(page, "google") {
			t.Errorf("%s loads %s", path, outside)
		}

		if !strings.Contains(page, `FLAG_ROOT_PATH="\/queues"`) && !strings.Contains(page, `FLAG_ROOT_PATH="/queues"`) {
			t.Errorf("%s does not know where it is mounted", path)
		}

		for _, asset := range regexp.MustCompile(`<(?:link|script|img)[^>]*(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1) {
			wantAsset(t, p, asset[1])
		}
	}
}

func wantAsset(t *testing.T, p *pages, path string) {
	t.Helper()

	kinds := map[string]string{"js": "text/javascript; charset=utf-8", "json": "application/json", "png": "image/png", "ico": "image/x-icon"}
	want := kinds[path[strings.LastIndex(path, ".")+1:]]

	answer, body := p.ask(t, http.MethodGet, path)
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != want || body == "" {
		t.Errorf("%s: %d, type %q, %d bytes; want type %q", path, answer.StatusCode, answer.Header.Get("Content-Type"), len(body), want)
	}

	cached := strings.Contains(answer.Header.Get("Cache-Control"), "immutable")
	if cached != strings.HasPrefix(path, "/queues/static/") {
		t.Errorf("%s: Cache-Control %q", path, answer.Header.Get("Cache-Control"))
	}
}

func TestDrawingsAreTyped(t *testing.T) {
	t.Parallel()

	answer, body := setup(t, nil).ask(t, http.MethodGet, "/queues/static/media/logo-color.c2b0c1f3.svg")
	if answer.Header.Get("Content-Type") != "image/svg+xml" || !strings.Contains(body, "<svg") {
		t.Errorf("type %q", answer.Header.Get("Content-Type"))
	}
}

func TestMissingAssetIsNotThePage(t *testing.T) {
	t.Parallel()

	answer, _ := setup(t, nil).ask(t, http.MethodGet, "/queues/static/js/main.old.js")
	if answer.StatusCode != http.StatusNotFound || answer.Header.Get("Cache-Control") != "" {
		t.Errorf("status %d, Cache-Control %q", answer.StatusCode, answer.Header.Get("Cache-Control"))
	}
}

func TestPolicyNamesTheScripts(t *testing.T) {
	t.Parallel()

	answer, page := setup(t, nil).ask(t, http.MethodGet, "/queues/")
	policy := answer.Header.Get("Content-Security-Policy")

	inline := len(regexp.MustCompile(`<script>`).FindAllString(page, -1))
	if hashes := strings.Count(policy, "'sha256-"); hashes != inline || inline == 0 {
		t.Errorf("%d hashes for %d inline scripts", hashes, inline)
	}

	script := regexp.MustCompile(`script-src [^;]*`).FindString(policy)
	if strings.Contains(script, "unsafe") || strings.Contains(policy, "http") || !strings.HasPrefix(policy, "default-src 'none'; ") {
		t.Errorf("policy %q", policy)
	}
}

func TestAPIShowsTheLanes(t *testing.T) {
	t.Parallel()

	p := setup(t, nil)

	var listed struct{ Queues []struct{ Queue string } }

	_, body := p.ask(t, http.MethodGet, "/queues/api/queues")
	if err := json.Unmarshal([]byte(body), &listed); err != nil || len(listed.Queues) != 3 {
		t.Errorf("queues: %s, %v", body, err)
	}

	_, body = p.ask(t, http.MethodGet, "/queues/api/queues/high/pending_tasks")
	if !strings.Contains(body, `"id":"msg_high"`) || !strings.Contains(body, `"payload":""`) {
		t.Errorf("pending: %s", body)
	}
}

// runSecret lets two tasks with secrets be worked on: one fails, one is kept
// with its result.
func (p *pages) runSecret(t *testing.T, opt asynq.RedisConnOpt) {
	t.Helper()

	client := asynq.NewClient(opt)
	defer client.Close()

	for _, kind := range []string{"fails", "completes"} {
		task := asynq.NewTask(kind, []byte(`{"to":"`+number+`"}`))
		if _, err := client.EnqueueContext(t.Context(), task, asynq.Queue("secret"), asynq.TaskID(kind), asynq.MaxRetry(0), asynq.Retention(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}

	server := asynq.NewServer(opt, asynq.Config{
		Concurrency: 1, Queues: map[string]int{"secret": 1}, LogLevel: asynq.FatalLevel, TaskCheckInterval: 10 * time.Millisecond,
	})
	if err := server.Start(asynq.HandlerFunc(func(_ context.Context, task *asynq.Task) error {
		if task.Type() == "fails" {
			return errors.New("cannot send to " + number)
		}

		_, err := task.ResultWriter().Write([]byte("sent to " + number))
		return err
	})); err != nil {
		t.Fatal(err)
	}
	defer server.Shutdown()

	eventually(t, func() bool {
		info, err := p.inspector.GetQueueInfo("secret")
		return err == nil && info.Archived == 1 && info.Completed == 1
	})
}

func TestNothingSecretIsShown(t *testing.T) {
	t.Parallel()

	var opt asynq.RedisConnOpt

	p := setup(t, func(opts *console.Options) { opt = opts.Redis })
	p.runSecret(t, opt)

	for path, want := range map[string]string{
		"/queues/api/queues/secret/archived_tasks":   `"error_message":"[redacted]"`,
		"/queues/api/queues/secret/tasks/fails":      `"error_message":"[redacted]"`,
		"/queues/api/queues/secret/completed_tasks":  `"result":"[redacted]"`,
		"/queues/api/queues/secret/tasks/completes":  `"payload":"[redacted]"`,
		"/queues/api/queues/secret":                  `"archived":1`,
		"/queues/api/servers":                        `"servers":`,
		"/queues/api/queues/secret/scheduled_tasks":  `"tasks":[]`,
		"/queues/api/queues/secret/tasks/not-at-all": `not found`,
	} {
		if _, body := p.ask(t, http.MethodGet, path); strings.Contains(body, number[1:]) || !strings.Contains(body, want) {
			t.Errorf("%s: %s", path, body)
		}
	}
}

func TestKnownErrorsMayBeShown(t *testing.T) {
	t.Parallel()

	var opt asynq.RedisConnOpt

	p := setup(t, func(opts *console.Options) {
		opt = opts.Redis
		opts.ErrorText = func(text string) string { return strings.ReplaceAll(text, number, "<redacted>") }
	})
	p.runSecret(t, opt)

	_, body := p.ask(t, http.MethodGet, "/queues/api/queues/secret/archived_tasks")

	var listed struct {
		Tasks []struct {
			Error string `json:"error_message"`
		}
	}
	if err := json.Unmarshal([]byte(body), &listed); err != nil || len(listed.Tasks) != 1 || listed.Tasks[0].Error != "cannot send to <redacted>" {
		t.Errorf("archived: %s, %v", body, err)
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()

	p := setup(t, nil)

	for _, attempt := range [][2]string{
		{http.MethodPost, "/queues/api/queues/high:pause"},
		{http.MethodDelete, "/queues/api/queues/high/pending_tasks/msg_high"},
		{http.MethodDelete, "/queues/api/queues/high"},
		{http.MethodPost, "/queues/api/queues/high/pending_tasks:archive_all"},
		{http.MethodPost, "/queues/"},
		{http.MethodPut, "/queues/static/x"},
	} {
		answer, _ := p.ask(t, attempt[0], attempt[1])
		if answer.StatusCode != http.StatusMethodNotAllowed || answer.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%v: %d", attempt, answer.StatusCode)
		}
	}

	info, err := p.inspector.GetQueueInfo("high")
	if err != nil || info.Paused || info.Pending != 1 {
		t.Errorf("queue = %+v, %v", info, err)
	}

	if answer, _ := p.ask(t, http.MethodHead, "/queues/"); answer.StatusCode != http.StatusOK {
		t.Errorf("HEAD: %d", answer.StatusCode)
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()

	var made []console.Change

	p := setup(t, func(opts *console.Options) {
		opts.Write = true
		opts.Lanes = noLanes{}
		opts.Change = func(_ context.Context, c console.Change) error {
			made = append(made, c)
			return nil
		}
	})

	foreign, _ := p.ask(t, http.MethodPost, "/queues/api/queues/high:pause", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	if foreign.StatusCode != http.StatusForbidden {
		t.Errorf("another site's request: %d", foreign.StatusCode)
	}

	own, _ := p.ask(t, http.MethodPost, "/queues/api/queues/normal:pause", "Sec-Fetch-Site", "same-origin")
	if own.StatusCode != http.StatusNoContent {
		t.Errorf("own request: %d", own.StatusCode)
	}

	if want := []console.Change{{Action: console.ActionPause, Target: "normal"}}; !slices.Equal(made, want) {
		t.Errorf("reported %v, want %v", made, want)
	}

	for lane, want := range map[string]bool{"high": false, "normal": true} {
		if info, err := p.inspector.GetQueueInfo(lane); err != nil || info.Paused != want {
			t.Errorf("%s: paused %v, %v", lane, info.Paused, err)
		}
	}

	if _, page := p.ask(t, http.MethodGet, "/queues/"); !regexp.MustCompile(`FLAG_READ_ONLY=false|FLAG_READ_ONLY="false"`).MatchString(page) {
		t.Error("the page thinks that it is read-only")
	}
}

// noLanes knows no lane.
type noLanes struct{}

func (noLanes) Lane(string) message.Lane                   { return "" }
func (noLanes) Pause(context.Context, message.Lane) error  { return errors.New("there is none") }
func (noLanes) Resume(context.Context, message.Lane) error { return errors.New("there is none") }

// oneLane is a lane of two queues.
type oneLane struct{ done chan string }

func (oneLane) Lane(queue string) message.Lane {
	if queue == "bulk" || queue == "bulk-1" {
		return message.Bulk
	}
	return ""
}

func (l oneLane) Pause(_ context.Context, lane message.Lane) error {
	l.done <- "pause " + string(lane)
	return nil
}

func (l oneLane) Resume(_ context.Context, lane message.Lane) error {
	l.done <- "resume " + string(lane)
	return nil
}

// A queue is paused with its lane, under the name of the operator, and only once
// that is recorded.
func TestPauseIsOneOfTheLane(t *testing.T) {
	t.Parallel()

	lane, recorded := oneLane{make(chan string, 1)}, make(chan console.Change, 1)

	var unrecorded atomic.Bool

	p := setup(t, func(opts *console.Options) {
		opts.Write = true
		opts.Lanes = lane
		opts.Change = func(_ context.Context, c console.Change) error {
			if unrecorded.Load() {
				return errors.New("no room")
			}

			recorded <- c
			return nil
		}
	})

	for _, step := range []struct{ path, done string }{{"bulk-1:pause", "pause bulk"}, {"bulk:resume", "resume bulk"}} {
		answer, _ := p.ask(t, http.MethodPost, "/queues/api/queues/"+step.path, "Authorization", "Basic YWxpY2U6c2VjcmV0")
		want := console.Change{User: "alice", Action: console.Action(strings.Fields(step.done)[0]), Target: "lane:bulk"}

		if answer.StatusCode != http.StatusNoContent || <-recorded != want || <-lane.done != step.done {
			t.Errorf("%s: %d", step.path, answer.StatusCode)
		}
	}

	if answer, _ := p.ask(t, http.MethodDelete, "/queues/api/queues/high/pending_tasks/msg_high"); answer.StatusCode != http.StatusNoContent {
		t.Errorf("delete: %d", answer.StatusCode)
	}

	if got, want := <-recorded, (console.Change{Action: console.ActionOther, Target: "high/pending_tasks/msg_high"}); got != want {
		t.Errorf("recorded %v", got)
	}

	unrecorded.Store(true)

	for _, path := range []string{"bulk:pause", "high:pause"} {
		if answer, _ := p.ask(t, http.MethodPost, "/queues/api/queues/"+path); answer.StatusCode != http.StatusServiceUnavailable || len(lane.done) > 0 {
			t.Errorf("%s without a record: %d", path, answer.StatusCode)
		}
	}

	if info, err := p.inspector.GetQueueInfo("high"); err != nil || info.Paused {
		t.Errorf("high: paused %v, %v", info.Paused, err)
	}
}

// The banner above the UI names what it lacks, and where that is.
func TestBannerNamesWhatIsNotShown(t *testing.T) {
	t.Parallel()

	_, page := setup(t, nil).ask(t, http.MethodGet, "/queues/")
	before, _, _ := strings.Cut(page, `<div id="root"`)

	for _, place := range []string{`href="/readyz"`, `href="/metrics"`, "mmsctl status", "mmsctl audit", "failed", "bulk-1"} {
		if !strings.Contains(before, place) {
			t.Errorf("no %s", place)
		}
	}
}

// What libraries say when Redis is gone may name more than it should.
func TestRedisDown(t *testing.T) {
	t.Parallel()

	server := redistest.Start(t)
	address := strings.TrimSuffix(strings.TrimPrefix(server.URL(), "redis://"), "/0")
	p := setup(t, func(opts *console.Options) {
		opts.Redis = asynq.RedisClientOpt{Addr: address, DialTimeout: 100 * time.Millisecond}
	})

	server.Stop()

	answer, body := p.ask(t, http.MethodGet, "/queues/api/queues")
	if answer.StatusCode != http.StatusInternalServerError || body != "Redis is unavailable\n" {
		t.Errorf("%d %q", answer.StatusCode, body)
	}

	if answer, _ := p.ask(t, http.MethodGet, "/queues/"); answer.StatusCode != http.StatusOK {
		t.Errorf("the page: %d", answer.StatusCode)
	}
}

// badConn makes something that is no Redis client.
type badConn struct{}

func (badConn) MakeRedisClient() any { return &tls.Config{MinVersion: tls.VersionTLS12} }

// clusterConn makes a client of a cluster, as a caller's own options may.
type clusterConn struct{}

func (clusterConn) MakeRedisClient() any {
	return redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{"127.0.0.1:1", "127.0.0.1:2"}})
}

func TestRedisOptions(t *testing.T) {
	t.Parallel()

	for name, opt := range map[string]asynq.RedisConnOpt{"none": nil, "no client": badConn{}} {
		if _, err := console.NewQueues(console.Options{Redis: opt}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}

	queues, err := console.NewQueues(console.Options{Redis: clusterConn{}})
	if err != nil {
		t.Fatal(err)
	}

	if err := queues.Close(); err != nil {
		t.Error(err)
	}
}

func eventually(tb testing.TB, conditionFunc func() bool) {
	tb.Helper()

	deadline := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)

	defer tick.Stop()

	for !conditionFunc() {
		select {
		case <-deadline:
			tb.Fatal("it did not come true")
		case <-tick.C:
		}
	}
}
