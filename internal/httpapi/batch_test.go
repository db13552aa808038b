package httpapi_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/pause"
	"mmsdispatch/internal/redistest"
)

// setupBatches is setup on a real ledger.
func setupBatches(t *testing.T, limit int, configure ...func(*httpapi.Options)) *bundle {
	t.Helper()
	rdb := redistest.Shared(t).Client(t)
	l, err := ledger.New(rdb, ledger.Options{RecordTTL: time.Hour, LaneLimit: limit})
	if err != nil {
		t.Fatal(err)
	}
	storage := func(o *httpapi.Options) { o.Ledger, o.Batches, o.Pauses = l, l, pause.NewStore(rdb) }
	return setup(t, append([]func(*httpapi.Options){storage}, configure...)...)
}

func stream(kind, query, body string) request {
	return post("/v1/batches?"+query, body).without("Content-Type").with("Content-Type", kind)
}

const (
	ndjson = "application/x-ndjson"
	csv    = "text/csv; charset=utf-8"
)

func counts(got map[string]any) string {
	return fmt.Sprint(got["accepted"], got["duplicates"], got["rejected"])
}

func first(got map[string]any) map[string]any {
	one, _ := got["results"].([]any)[0].(map[string]any)
	return one
}

func code(result map[string]any) any {
	one, _ := result["error"].([]any)[0].(map[string]any)
	return one["code"]
}

// problemsOf lists the problems of a row by field and code.
func problemsOf(result map[string]any) string {
	var found []string
	list, _ := result["error"].([]any)
	for _, one := range list {
		problem, _ := one.(map[string]any)
		found = append(found, fmt.Sprint(problem["field"], " ", problem["code"]))
	}
	return strings.Join(found, ", ")
}

func TestBatchInJSON(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	body := `{"clientReference":"c1","defaults":{"mediaUrl":"https://example.com/a.jpg","metadata":{"k":"v"}},"messages":[
		{"to":"+12065551212"},{"to":"nobody"},{"to":"+12065551213","mediaUrl":null,"clientReference":"r"},
		{"to":"+12065551213","clientReference":"r"},7,{"to":"+12065551214","odd":1}]}`
	got := b.do(t, post("/v1/batches", body)).ok(t, http.StatusAccepted)
	if counts(got) != "2 1 3" || len(got["results"].([]any)) != 6 {
		t.Fatalf("%v", got)
	}
	again := b.do(t, post("/v1/batches", body))
	if replayed := again.ok(t, http.StatusOK); replayed["id"] != got["id"] || counts(replayed) != "0 3 3" {
		t.Fatalf("%v", replayed)
	}
	if again.header.Get("Idempotent-Replayed") != "true" {
		t.Error("not marked as replayed")
	}
	b.do(t, post("/v1/batches", strings.Replace(body, "+12065551212", "+12065551219", 1))).
		refused(t, http.StatusUnprocessableEntity, "client_reference_reused")
	id, _ := got["id"].(string)
	shown := b.do(t, get("/v1/batches/"+id)).ok(t, http.StatusOK)
	if shown["status"] != "running" || fmt.Sprint(shown["total"], shown["counts"]) != "2 map[queued:2]" {
		t.Errorf("%v", shown)
	}
	for _, r := range []request{
		get("/v1/batches/" + id).as(otherKey), post("/v1/batches/"+id+"/cancel", "").as(otherKey), get("/v1/batches/bat_x"),
	} {
		if p := b.do(t, r).refused(t, http.StatusNotFound, "not_found"); p.Detail != "There is no such batch." {
			t.Errorf("%s %s: %s", r.method, r.path, p.Detail)
		}
	}
}

func TestBatchEnvelopeIsStrict(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	for _, body := range []string{
		`{}`, `{"messages":[]}`, `{"messages":{}}`, `{"messages":[{}],"x":1}`, `{"messages":[{}],"clientReference":""}`,
		`{"messages":[{}],"defaults":[]}`, `{"messages":[{}],"defaults":{"odd":1}}`, `{"messages":[{}],"messages":[{}]}`,
		`{"messages":[` + strings.Repeat("{},", 10_000) + `{}]}`,
	} {
		b.do(t, post("/v1/batches", body)).invalid(t)
	}
	b.do(t, post("/v1/batches", `{"messages":`)).refused(t, http.StatusBadRequest, "invalid_json")
	b.do(t, stream("text/plain", "", "x")).refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
	for _, charset := range []string{"latin1", "utf-32", "windows-1252"} {
		p := b.do(t, stream("text/csv; charset="+charset, "", "to\n")).refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
		if !strings.Contains(p.Detail, "utf-8, utf-16, utf-16le, utf-16be") {
			t.Errorf("%s: %s", charset, p.Detail)
		}
	}
	b.do(t, stream("application/x-ndjson; charset=utf-16", "", "{}")).refused(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
	b.do(t, stream(ndjson, "odd=1", "{}")).invalid(t)
	b.do(t, stream(ndjson, "", "\n\n")).invalid(t)
	b.do(t, stream(csv, "", "to,odd\n1,2\n")).invalid(t)
	b.do(t, stream(csv, "", "")).invalid(t)
	p := b.do(t, stream(csv, "", "to,caf\xe9\n1,2\n")).invalid(t)
	if len(p.fields()) != 1 || p.fields()[0] == "query unknown_field" {
		t.Errorf("a column that is no UTF-8 is taken for a parameter: %v", p.fields())
	}
}

// A table in UTF-16 is taken by its charset, with and without a byte order mark.
func TestTableInUTF16(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	for charset, table := range map[string]string{
		"UTF-16": "\xff\xfe", "utf-16le": "", "utf-16": "",
	} {
		for _, c := range "to,mediaUrl\n+12065551212,https://example.com/a.jpg\n" {
			table += string([]byte{byte(c), 0})
		}
		if got := b.do(t, stream("text/csv; charset="+charset, "", table)).ok(t, http.StatusAccepted); counts(got) != "1 0 0" {
			t.Errorf("%s: %v", charset, got)
		}
	}
}

func TestBatchEnvelopeTellsAllProblems(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	for body, want := range map[string][]string{
		`{"messages":[],"clientReference":5}`:       {"clientReference wrong_type", "messages required"},
		`{"messages":[],"defaults":{"text":1}}`:     {"defaults.text wrong_type", "messages required"},
		`{"clientReference":5}`:                     {"clientReference wrong_type", "messages required"},
		`{"messages":{},"odd":1}`:                   {"messages wrong_type", "odd unknown_field"},
		`{"messages":[],"messages":[],"odd":1}`:     {"messages duplicate_field", "odd unknown_field"},
		`{"messages":[{}],"clientReference":5}`:     {"clientReference wrong_type"},
		`{"messages":[],"defaults":{"sendAt":"x"}}`: {"defaults.sendAt invalid", "messages required"},
	} {
		if p := b.do(t, post("/v1/batches", body)).invalid(t); !slices.Equal(p.fields(), want) {
			t.Errorf("%s: %v, want %v", body, p.fields(), want)
		}
	}
}

// TestMetadataIsOneField: a row with metadata of its own has none of the defaults'.
func TestMetadataIsOneField(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	const row = "+12065551212,https://e.com/a.jpg"
	got := b.do(t, stream(csv, "metadata.a=1&metadata.b=1", "to,mediaUrl,metadata.b\n"+row+",2\n"+row+",\n")).ok(t, http.StatusAccepted)
	list := b.do(t, get("/v1/messages?batchId="+got["id"].(string))).ok(t, http.StatusOK)["data"].([]any)
	for i, want := range []map[string]any{{"a": "1", "b": "1"}, {"b": "2"}} { // the last row comes first
		if metadata := list[i].(map[string]any)["metadata"].(map[string]any); !maps.Equal(metadata, want) {
			t.Errorf("metadata %v, want %v", metadata, want)
		}
	}
}

func TestAllRejectedIsStillAccepted(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	if got := b.do(t, post("/v1/batches", `{"messages":[{}]}`)).ok(t, http.StatusAccepted); counts(got) != "0 0 1" {
		t.Errorf("%v", got)
	}
}

func TestStreamOfLines(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	var body strings.Builder
	for i := range 1200 {
		fmt.Fprintf(&body, `{"to":"+1206555%04d","text":"hi"}`+"\n", i)
	}
	body.WriteString("\n{\"to\":\n" + strings.Repeat("x", 70_000) + "\n" + `{"to":"+12065551212","priority":"slow"}`)
	query := url.Values{"mediaUrl": {"https://example.com/a.jpg"}, "clientReference": {"s1"}, "metadata.k": {"v"}}.Encode()
	got := b.do(t, stream(ndjson, query, body.String())).ok(t, http.StatusAccepted)
	if counts(got) != "1200 0 3" || first(got)["index"] != 1200.0 || len(got["results"].([]any)) != 3 {
		t.Fatalf("%v", got)
	}
	again := b.do(t, stream(ndjson, query, body.String())).ok(t, http.StatusOK)
	listed, _ := again["results"].([]any)
	if counts(again) != "0 1200 3" || again["id"] != got["id"] || len(listed) != 1000 {
		t.Fatalf("%v, %d listed", counts(again), len(listed))
	}
	last, _ := listed[999].(map[string]any)
	if first(again)["status"] != "duplicate" || last["status"] != "rejected" || last["index"] != 1202.0 {
		t.Errorf("rejected rows are hidden behind duplicates: the list ends with %v", last)
	}
}

func TestStreamOfTable(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	body := "\ufeffto,text,media,metadata.k,clientReference\n" + // as a spreadsheet writes it
		"+12065551212,\"two\nlines\",https://example.com/a.jpg https://example.com/b.jpg,v,r1\n" +
		"+12065551213,hi\n" +
		"+12065551214,,https://example.com/a.jpg,,\n" +
		"+12065551215,\"long" + strings.Repeat("x", 70_000) + "\",,,\n" +
		"+12065551216,,https://example.com/a.jpg,,r1\n"
	got := b.do(t, stream(csv, "", body)).ok(t, http.StatusAccepted)
	if counts(got) != "2 0 3" || first(got)["index"] != 1.0 {
		t.Fatalf("%v", got)
	}
	id, _ := got["id"].(string)
	list := b.do(t, get("/v1/messages?batchId="+id)).ok(t, http.StatusOK)["data"].([]any)
	last, _ := list[1].(map[string]any)
	if len(list) != 2 || last["text"] != "two\nlines" || fmt.Sprint(last["metadata"], last["priority"]) != "map[k:v]bulk" {
		t.Errorf("%v", list)
	}
}

// TestTableEndsWhereARowDoes: when the end of a row cannot be found, the inside
// of a cell must not be read as rows, and every row must be counted.
func TestTableEndsWhereARowDoes(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	const header, good, inside = "to,mediaUrl,text\n", "+12065551212,https://e.com/a,hi\n", "+12065551213,https://e.com/a,INSIDE\n"
	for name, row := range map[string]string{
		"a quote that is never closed":   "+12065551212,https://e.com/a,\"oops\n" + strings.Repeat(good, 100),
		"the same beyond the limit":      "+12065551212,https://e.com/a,\"oops\n" + strings.Repeat(good, 3000),
		"the same after the longest row": "+12065551212,https://e.com/a,\"oops\n" + strings.Repeat(good, 600_000) + "\"\n" + good,
		"a long cell with single quotes": "+12065551212,https://e.com/a,\"" + strings.Repeat("x", 66_000) + "\n\"" + inside + "\"end\"\n" + good,
		"a long cell in a row of two":    "12\" pipe,https://e.com/a,\"" + strings.Repeat("x", 66_000) + "\n" + inside + "end\"\n" + good,
		"a cell in a row of two":         "12\" pipe,https://e.com/a,\"x\n" + inside + "end\"\n" + good,
		"quotes inside that are not two": "+12065551212,https://e.com/a,\"say \"hi\"\n" + inside + "bye\"\n" + good,
	} {
		got := b.do(t, stream(csv, "clientReference="+url.QueryEscape(name), header+good+row)).ok(t, http.StatusBadRequest)
		if counts(got) != "1 0 0" {
			t.Errorf("%s: %v", name, counts(got))
		}
	}
	if list := b.do(t, get("/v1/messages")).ok(t, http.StatusOK)["data"].([]any); len(list) != 7 {
		t.Errorf("%d messages were taken, want one before each row", len(list))
	}
	bare := b.do(t, stream(csv, "", header+"+12065551212,https://e.com/a,12\" pipe\n"+good)).ok(t, http.StatusAccepted)
	if counts(bare) != "1 0 1" {
		t.Errorf("a quote in a cell without quotes: %v", bare)
	}
}

// TestLongRowIsRejectedAlone: the end of a correctly quoted row can be found,
// however long it is.
func TestLongRowIsRejectedAlone(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	const header, good, inside = "to,mediaUrl,text\r\n", "+12065551212,https://e.com/a,hi\r\n", "+12065551213,https://e.com/a,INSIDE\r\n"
	for name, row := range map[string]string{
		"one line":                 strings.Repeat("x", 200_000) + "\n",
		"one line with a quote":    "12\" pipe," + strings.Repeat("x", 200_000) + "\n",
		"lines in quotes":          "+12065551212,https://e.com/a,\"" + strings.Repeat(inside, 2000) + "\"\n",
		"doubled quotes":           "+12065551212,https://e.com/a,\"" + strings.Repeat("say \"\"hi\"\"\n\"\"\n"+inside, 2000) + "\"\r\n",
		"two such cells":           strings.Repeat("\""+strings.Repeat(inside, 2000)+"\",", 2) + "x\n",
		"long after a short line":  "+12065551212,https://e.com/a,\"hi\n" + strings.Repeat("x", 200_000) + "\n" + inside + "\"\n",
		"empty lines in the quote": "+12065551212,https://e.com/a,\"" + strings.Repeat("\n", 70_000) + inside + "\"\n",
	} {
		got := b.do(t, stream(csv, "", header+good+row+strings.Repeat("\n", 70_000)+good)).ok(t, http.StatusAccepted)
		if counts(got) != "2 0 1" || first(got)["index"] != 1.0 || problemsOf(first(got)) != " too_long" {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestRowOfTheLongestLength: the limit does not count the line ending.
func TestRowOfTheLongestLength(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	const limit = 64 << 10
	filled := func(before, after string, size int) string {
		return before + strings.Repeat(" ", size-len(before)-len(after)) + after
	}
	const cells = "+12065551212,https://e.com/a,"
	for _, tt := range []struct{ kind, header, before, after string }{
		{ndjson, "", `{"to":"+12065551212",`, `"mediaUrl":"https://e.com/a"}`},
		{csv, "to,mediaUrl,text,metadata.k\n", cells, ",v"},
		{csv, "to,mediaUrl,text,metadata.k\n", cells + "\"a\n", "\r\n\",v"},
		{csv, "to,mediaUrl,text,metadata.k\n", cells + "v,\"a\n", "\""},
	} {
		for _, end := range []string{"\n", "\r\n", ""} {
			for over := range 2 {
				row := filled(tt.before, tt.after, limit+over)
				got := b.do(t, stream(tt.kind, "dryRun=true", tt.header+"\n"+row+end)).ok(t, http.StatusOK)
				refused := got["rejected"] == 1.0 && problemsOf(first(got)) == " too_long" // a text may be too long, too
				if refused != (over == 1) {
					t.Errorf("%s, %q, %d bytes and %q: refused as a row: %t", tt.kind, tt.before, len(row), end, refused)
				}
			}
		}
	}
}

func TestUnreadableRowHasOneProblem(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	const good = `{"to":"+12065551212","mediaUrl":"https://example.com/a.jpg"}`
	var listed []string
	for row, want := range map[string]string{
		strings.TrimSuffix(good, "}"): " invalid", "\ufeff" + good: " invalid", "{\"text\":\"\xff\"}": " invalid", "to": " invalid",
		"1": " wrong_type", "null": " wrong_type", "[]": " wrong_type", `"s"`: " wrong_type", "true": " wrong_type",
		"{}": "to required, mediaUrl required",
	} {
		got := b.do(t, stream(ndjson, "text=hi", good+"\n"+row)).ok(t, http.StatusAccepted)
		if counts(got) != "1 0 1" || problemsOf(first(got)) != want {
			t.Errorf("%q: %v", row, got)
		}
		if want == " wrong_type" {
			listed = append(listed, row)
		}
	}
	body := `{"defaults":{"text":"hi"},"messages":[` + strings.Join(listed, ",") + `]}`
	got := b.do(t, post("/v1/batches", body)).ok(t, http.StatusAccepted)
	for _, result := range got["results"].([]any) {
		if found := problemsOf(result.(map[string]any)); found != " wrong_type" {
			t.Errorf("in JSON: %q", found)
		}
	}
	torn := b.do(t, stream(csv, "text=hi", "to,mediaUrl\n1,2,3\n")).ok(t, http.StatusAccepted)
	if found := problemsOf(first(torn)); found != " invalid" {
		t.Errorf("a row of a table: %q", found)
	}
}

// TestDefaultsAreCheckedBeforeTheRows: a wrong default would be wrong in each
// row.
func TestDefaultsAreCheckedBeforeTheRows(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	const row = `{"to":"+12065551212","mediaUrl":"https://example.com/a.jpg"}`
	values := map[string]string{
		"to": "nobody", "from": "+12065559999", "subject": "Привет", "text": "\x00", "priority": "x", "sendAt": "tomorrow",
		"expiresAt": "never", "callbackUrl": "file:///x", "metadata.k": "\x01", "mediaUrl": "ftp://e.com/a",
	}
	want := []string{
		"to invalid", "from invalid", "subject subject_characters", "text control_characters", "mediaUrl invalid", "priority invalid",
		"metadata.k control_characters", "callbackUrl invalid", "sendAt invalid", "expiresAt invalid",
	}
	query := url.Values{}
	for name, value := range values {
		query.Set(name, value)
	}
	for kind, body := range map[string]string{ndjson: row, csv: "to\n1\n"} {
		if p := b.do(t, stream(kind, query.Encode(), body)).invalid(t); !slices.Equal(p.fields(), want) {
			t.Errorf("%s: %v, want %v", kind, p.fields(), want)
		}
	}
	body := `{"defaults":{"priority":"x","text":1,"media":[],"clientReference":" "},"messages":[` + row + `],"odd":1}`
	want = []string{
		"defaults.clientReference unknown_field", "defaults.text wrong_type", "odd unknown_field", "defaults.media required",
		"defaults.priority invalid",
	}
	if p := b.do(t, post("/v1/batches", body)).invalid(t); !slices.Equal(p.fields(), want) {
		t.Errorf("JSON: %v, want %v", p.fields(), want)
	}
	if list := b.do(t, get("/v1/batches")).ok(t, http.StatusOK)["data"].([]any); len(list) > 0 {
		t.Errorf("%v", list)
	}
}

// TestDefaultsThatARowMayCorrect: problems that depend on the row or on the clock
// are reported with the rows.
func TestDefaultsThatARowMayCorrect(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	const rows = `{"to":"+12065551212","mediaUrl":"https://e.com/a","sendAt":"2026-03-01T12:30:00Z","expiresAt":"2026-03-02T00:00:00Z"}` +
		"\n" + `{"to":"+12065551212","mediaUrl":"https://e.com/a"}`
	for query, want := range map[string]string{
		"sendAt=2020-01-01T00:00:00Z":                                "sendAt in_past",
		"sendAt=2026-03-03T00:00:00Z&expiresAt=2026-03-02T00:00:00Z": "expiresAt conflict",
	} {
		got := b.do(t, stream(ndjson, query, rows)).ok(t, http.StatusAccepted)
		if counts(got) != "1 0 1" || problemsOf(first(got)) != want {
			t.Errorf("%s: %v", query, got)
		}
	}
}

func TestStreamWithoutRowsMakesNoBatch(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	b.do(t, stream(csv, "clientReference=none", "to,text\n")).ok(t, http.StatusBadRequest)
	if list := b.do(t, get("/v1/batches")).ok(t, http.StatusOK)["data"].([]any); len(list) > 0 {
		t.Errorf("%v", list)
	}
}

func TestBatchDryRun(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	got := b.do(t, post("/v1/batches?dryRun=true", `{"messages":[{"to":"+12065551212","mediaUrl":"https://example.com/a.jpg"},{}]}`)).
		ok(t, http.StatusOK)
	if counts(got) != "1 0 1" || got["id"] != nil {
		t.Errorf("%v", got)
	}
	if list := b.do(t, get("/v1/batches")).ok(t, http.StatusOK)["data"].([]any); len(list) > 0 {
		t.Errorf("%v", list)
	}
}

func TestBatchBeyondTheLane(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 2)
	row := `{"to":"+12065551212","mediaUrl":"https://example.com/a.jpg"}`
	b.do(t, post("/v1/batches", `{"messages":[`+row+`,`+row+`,`+row+`]}`)).refused(t, http.StatusServiceUnavailable, "backpressure")
	got := b.do(t, stream(ndjson, "", strings.Repeat(row+"\n", 3))).ok(t, http.StatusAccepted)
	if counts(got) != "2 0 1" || code(first(got)) != "backpressure" {
		t.Errorf("%v", got)
	}
}

func TestBatchIsCanceled(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	row := `{"to":"+12065551212","mediaUrl":"https://example.com/a.jpg"}` + "\n"
	got := b.do(t, stream(ndjson, "clientReference=c", strings.Repeat(row, 3))).ok(t, http.StatusAccepted)
	id, _ := got["id"].(string)
	canceled := b.do(t, post("/v1/batches/"+id+"/cancel", "").without("Content-Type")).ok(t, http.StatusOK)
	if canceled["status"] != "canceled" || fmt.Sprint(canceled["counts"]) != "map[canceled:3]" || canceled["etaSeconds"] != 0.0 {
		t.Errorf("%v", canceled)
	}
	later := b.do(t, stream(ndjson, "clientReference=c", strings.Repeat(row, 4))).ok(t, http.StatusOK)
	if counts(later) != "0 3 1" || code(later["results"].([]any)[3].(map[string]any)) != "batch_canceled" {
		t.Errorf("%v", later)
	}
}

// TestBatchIsFoundByItsReference: by its own, not by that of a message in it.
func TestBatchIsFoundByItsReference(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	const row = `{"to":"+12065551212","mediaUrl":"https://example.com/a.jpg","clientReference":"of a row"}`
	id := b.do(t, stream(ndjson, "clientReference=of+the+batch", row)).ok(t, http.StatusAccepted)["id"]
	b.now = b.now.Add(time.Second)
	b.do(t, stream(ndjson, "clientReference=other", row)).ok(t, http.StatusAccepted)
	cursor, _ := b.do(t, get("/v1/batches?limit=1")).ok(t, http.StatusOK)["nextCursor"].(string)
	for query, c := range map[string]struct {
		key  string
		want []any
	}{
		"clientReference=of+the+batch":                  {liveKey, []any{id}},
		"clientReference=of%20the%20batch&limit=1":      {liveKey, []any{id}},
		"clientReference=of+the+batch&cursor=" + cursor: {liveKey, []any{id}},
		"clientReference=other&cursor=" + cursor:        {liveKey, []any{}},
		"clientReference=of+a+row":                      {liveKey, []any{}},
		"clientReference=of+the+batch&limit=2":          {testKey, []any{}},
		"clientReference=of+the+batch&limit=3":          {otherKey, []any{}},
	} {
		page := b.do(t, get("/v1/batches?"+query).as(c.key)).ok(t, http.StatusOK)
		found := []any{}
		for _, one := range page["data"].([]any) {
			found = append(found, one.(map[string]any)["id"])
		}
		if !slices.Equal(found, c.want) || page["nextCursor"] != nil {
			t.Errorf("%s: %v, want %v", query, page, c.want)
		}
	}
	long := strings.Repeat("x", 65)
	for _, query := range []string{"clientReference=", "clientReference=%01", "clientReference=" + long, "clientReference=a&clientReference=b", "reference=a"} {
		b.do(t, get("/v1/batches?"+query)).invalid(t)
	}
}

func TestBatchesInPages(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	row := `{"to":"+12065551212","mediaUrl":"https://example.com/a.jpg"}` + "\n"
	var made []any
	for range 5 {
		made = append(made, b.do(t, stream(ndjson, "", row+row+row)).ok(t, http.StatusAccepted)["id"])
	}
	seen := map[any]bool{}
	path := "/v1/batches?limit=2"
	for pages := 1; ; pages++ {
		page := b.do(t, get(path)).ok(t, http.StatusOK)
		for _, one := range page["data"].([]any) {
			seen[one.(map[string]any)["id"]] = true
		}
		cursor, more := page["nextCursor"].(string)
		if !more {
			if pages != 3 || len(seen) != len(made) {
				t.Errorf("%d batches on %d pages", len(seen), pages)
			}
			break
		}
		path = "/v1/batches?limit=2&cursor=" + cursor
	}
	messages := b.do(t, get(fmt.Sprintf("/v1/messages?batchId=%v&limit=2", made[0]))).ok(t, http.StatusOK)
	cursor, _ := messages["nextCursor"].(string)
	rest := b.do(t, get(fmt.Sprintf("/v1/messages?batchId=%v&limit=2&cursor=%s", made[0], cursor))).ok(t, http.StatusOK)
	if len(messages["data"].([]any)) != 2 || len(rest["data"].([]any)) != 1 || rest["nextCursor"] != nil {
		t.Errorf("%v\n%v", messages, rest)
	}
	b.do(t, get("/v1/messages?cursor="+cursor)).invalid(t)
	b.do(t, get("/v1/batches?cursor="+cursor)).invalid(t)
}
