package httpapi_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/messagelog"
	"mmsdispatch/internal/pause"
	"mmsdispatch/internal/pgtest"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/replay"
)

// logged is the API with a ledger, a long-term log and its writer.
type logged struct {
	*bundle

	ledger *ledger.Ledger
	log    *messagelog.Log
	writer *messagelog.Writer
}

// atOnce is the RECORD_TTL of a ledger whose final records expire as soon as they are
// logged. Batches need more: theirs also runs until their first row is accepted.
const atOnce = time.Millisecond

// setupLog starts the API with a long-term log.
func setupLog(t *testing.T, databaseURL string, ttl time.Duration) *logged {
	t.Helper()
	rdb := redistest.Shared(t).Client(t)
	l, err := ledger.New(rdb, ledger.Options{RecordTTL: ttl, Consumers: func(*message.Message) ledger.Consumers {
		return ledger.Consumers(ledger.ConsumerLog)
	}})
	if err != nil {
		t.Fatal(err)
	}
	log, err := messagelog.New(messagelog.Options{
		URL: databaseURL, Records: l, Retention: 4000 * 24 * time.Hour, Connections: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Close)
	erasures := messagelog.NewErasures(messagelog.ErasuresOptions{Redis: rdb, Log: log, Ledger: l, Logger: zerolog.Nop()})
	b := setup(t, ticking, func(o *httpapi.Options) {
		o.Ledger, o.Batches, o.Pauses, o.LongLog, o.Replays = l, l, pause.NewStore(rdb), log, replay.NewStore(rdb, l, time.Hour)
		o.Erasures = erasures
	})
	return &logged{bundle: b, ledger: l, log: log, writer: messagelog.NewWriter(messagelog.WriterOptions{
		Log: log, Ledger: l, Redis: rdb, Erasures: erasures, Report: func(error) {}, Logger: zerolog.Nop(),
	})}
}

// migrated is the URL of a database with the tables.
func migrated(t *testing.T) string {
	t.Helper()
	address := pgtest.Shared(t)
	m, err := messagelog.NewMigrator(address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return address
}

// write logs everything that has changed.
func (b *logged) write(t *testing.T) {
	t.Helper()
	for {
		n, err := b.writer.Round(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

// cancel makes a message final.
func (b *logged) cancel(t *testing.T, id message.ID) {
	t.Helper()
	if _, err := b.ledger.Update(t.Context(), id, (*message.Message).Cancel); err != nil {
		t.Fatal(err)
	}
}

// pages reads a whole list; complete is that of the last page.
func (b *logged) pages(t *testing.T, path, query string) (ids []string, complete bool) {
	t.Helper()
	for cursor := ""; ; {
		body := b.do(t, get(path+"?"+query+cursor)).ok(t, http.StatusOK)
		data, _ := body["data"].([]any)
		for _, one := range data {
			m, _ := one.(map[string]any)
			ids = append(ids, fmt.Sprint(m["id"]))
		}
		complete, _ = body["complete"].(bool)
		next, more := body["nextCursor"].(string)
		if !more {
			return ids, complete
		}
		cursor = "&cursor=" + url.QueryEscape(next)
	}
}

// A list has every message once, in one order, whichever store it is in.
func TestListOverBothStores(t *testing.T) {
	t.Parallel()
	b := setupLog(t, migrated(t), atOnce)
	var want []string
	for i := range 30 {
		id := b.create(t, fmt.Sprintf(`"clientReference":"m%d"`, i))
		want = append(want, string(id))
		if i%3 != 0 { // in Redis and in the log are turns
			b.cancel(t, id)
		}
	}
	b.write(t)
	b.create(t, "") // is in Redis alone
	slices.Reverse(want)
	for _, limit := range []int{1, 4, 200} {
		got, complete := b.pages(t, "/v1/messages", fmt.Sprintf("limit=%d", limit))
		if !slices.Equal(got[1:], want) || !complete {
			t.Errorf("limit %d: %d of %d messages in order %v, complete %v", limit, len(got)-1, len(want), slices.Equal(got[1:], want), complete)
		}
	}
	got, _ := b.pages(t, "/v1/messages", "status=canceled&limit=7")
	if len(got) != 20 {
		t.Errorf("%d canceled messages, want 20", len(got))
	}
	if got, _ := b.pages(t, "/v1/messages", "clientReference=m1"); !slices.Equal(got, want[28:29]) {
		t.Errorf("by reference: %v", got)
	}
}

// A message that Redis has lost has the same resource as before.
func TestMessageFromLog(t *testing.T) {
	t.Parallel()
	b := setupLog(t, migrated(t), atOnce)
	id := b.create(t, `"text":"Hello","subject":"S","metadata":{"k":"v"},"clientReference":"m0"`)
	b.cancel(t, id)
	path := "/v1/messages/" + string(id)
	before := b.do(t, get(path))
	b.write(t)
	if m, err := b.ledger.Get(t.Context(), id); m != nil {
		t.Fatalf("Redis still has the message: %v", err)
	}
	if after := b.do(t, get(path)); !bytes.Equal(after.body, before.body) {
		t.Errorf("before %s\nafter  %s", before.body, after.body)
	}
	b.do(t, get(path).as(otherKey)).refused(t, http.StatusNotFound, "not_found")
	b.do(t, post(path+"/replay", "").as(otherKey)).refused(t, http.StatusNotFound, "not_found")
	b.do(t, post(path+"/cancel", "")).ok(t, http.StatusOK)
	b.do(t, post(path+"/replay", "")).refused(t, http.StatusConflict, "not_replayable")
	b.do(t, remove(path))
	if got := b.do(t, get(path)).ok(t, http.StatusOK); got["to"] != "+1…12" || got["text"] != nil {
		t.Errorf("erased: %v", got)
	}
}

// A batch and its messages are found after Redis has dropped them.
func TestBatchFromLog(t *testing.T) {
	t.Parallel()
	b := setupLog(t, migrated(t), 5*time.Second)
	rows := make([]string, 5)
	for i := range rows {
		rows[i] = messageBody(fmt.Sprintf(`"clientReference":"m%d"`, i))
	}
	created := b.do(t, post("/v1/batches", `{"clientReference":"batch","messages":[`+strings.Join(rows, ",")+`]}`)).ok(t, http.StatusAccepted)
	id := fmt.Sprint(created["id"])
	inRedis, _ := b.pages(t, "/v1/messages", "limit=2&batchId="+id)
	b.do(t, post("/v1/batches/"+id+"/cancel", "")).ok(t, http.StatusOK)
	b.write(t)
	eventually(t, "the batch expires", func() bool {
		_, err := b.ledger.GetBatch(context.WithoutCancel(t.Context()), message.Scope{Tenant: "shop"}, message.BatchID(id))
		return err != nil
	})
	got := b.do(t, get("/v1/batches/"+id)).ok(t, http.StatusOK)
	counts, _ := got["counts"].(map[string]any)
	if got["status"] != "canceled" || got["total"] != 5.0 || got["clientReference"] != "batch" || counts["canceled"] != 5.0 {
		t.Errorf("%v", got)
	}
	b.do(t, post("/v1/batches/"+id+"/cancel", "")).ok(t, http.StatusOK)
	b.do(t, post("/v1/batches/"+id+"/pause", "")).refused(t, http.StatusConflict, "not_pausable")
	b.do(t, post("/v1/batches/"+id+"/cancel", "").as(otherKey)).refused(t, http.StatusNotFound, "not_found")
	if listed, complete := b.pages(t, "/v1/batches", "limit=1"); !slices.Equal(listed, []string{id}) || !complete {
		t.Errorf("batches %v, complete %v", listed, complete)
	}
	logged, complete := b.pages(t, "/v1/messages", "limit=2&batchId="+id)
	slices.Sort(inRedis)
	slices.Sort(logged)
	if !slices.Equal(logged, inRedis) || !complete {
		t.Errorf("messages %v, complete %v; want %v", logged, complete, inRedis)
	}
}

// While PostgreSQL is away lists have what Redis has, and what only the log can have
// is unavailable.
func TestLogAway(t *testing.T) {
	t.Parallel()
	b := setupLog(t, "postgres://nobody@127.0.0.1:1/none", atOnce)
	id := string(b.create(t, ""))
	if got, complete := b.pages(t, "/v1/messages", ""); !slices.Equal(got, []string{id}) || complete {
		t.Errorf("%v, complete %v", got, complete)
	}
	b.do(t, get("/v1/messages/"+id)).ok(t, http.StatusOK)
	unknown := "/v1/messages/" + string(message.NewID(message.RandomIdentity(), b.now))
	b.do(t, get(unknown)).refused(t, http.StatusServiceUnavailable, "unavailable")
	b.do(t, get("/v1/reports")).refused(t, http.StatusServiceUnavailable, "unavailable")
	if got, complete := b.pages(t, "/v1/batches", ""); len(got) != 0 || complete {
		t.Errorf("batches %v, complete %v", got, complete)
	}
}

// A report counts by its key, in JSON and in CSV.
func TestReport(t *testing.T) {
	t.Parallel()
	b := setupLog(t, migrated(t), atOnce)
	b.cancel(t, b.create(t, ""))
	b.create(t, "")
	b.create(t, `"from":"28444"`)
	b.write(t)
	report := func(query string) string {
		return string(b.do(t, get("/v1/reports?from=2026-03-01&to=2026-03-01"+query)).body)
	}
	const times = `"p50Seconds":null,"p95Seconds":null`
	for query, want := range map[string]string{
		"":         `{"data":[{"key":"2026-03-01","counts":{"canceled":1,"queued":2},` + times + `}]}`,
		"&by=hour": `{"data":[{"key":"2026-03-01T12:00Z","counts":{"canceled":1,"queued":2},` + times + `}]}`,
		"&by=sender": `{"data":[{"key":"+12065550100","counts":{"canceled":1,"queued":1},` + times + `},` +
			`{"key":"28444","counts":{"queued":1},` + times + `}]}`,
		"&by=batch": `{"data":[{"key":null,"counts":{"canceled":1,"queued":2},` + times + `}]}`,
	} {
		if got := report(query); got != want {
			t.Errorf("%q: %s\nwant %s", query, got, want)
		}
	}
	asked := get("/v1/reports?from=2026-03-01&to=2026-03-01").with("Accept", "text/csv")
	const table = "key,scheduled,queued,sending,sent,delivered,undelivered,failed,expired,canceled,unknown,p50Seconds,p95Seconds\n" +
		"2026-03-01,0,2,0,0,0,0,0,0,1,0,,\n"
	if got := b.do(t, asked); string(got.body) != table || got.header.Get("Content-Type") != "text/csv; charset=utf-8; header=present" {
		t.Errorf("%s", got.body)
	}
	b.do(t, get("/v1/reports?by=week")).invalid(t)
	b.do(t, get("/v1/reports?from=2026-03-02&to=2026-03-01")).invalid(t)
}

// Without a long-term log there are no reports.
func TestReportWithoutLog(t *testing.T) {
	t.Parallel()
	setup(t).do(t, get("/v1/reports")).refused(t, http.StatusServiceUnavailable, "unavailable")
}
