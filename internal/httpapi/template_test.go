package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const templateFields = `"template":true,"text":"Hello {{name|you}}","mediaUrl":"https://example.com/a.jpg"`

// A message shows the text as it was rendered, and is known by it again.
func TestTemplateOfAMessage(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	body := `{` + templateFields + `,"to":"+12065551212","clientReference":"r","variables":{"name":"Ann","unused":"1"}}`
	got := b.do(t, post("/v1/messages", body)).ok(t, http.StatusAccepted)
	if got["text"] != "Hello Ann" {
		t.Errorf("%v", got["text"])
	}
	again := strings.Replace(body, `"unused":"1"`, `"unused":"2"`, 1)
	if same := b.do(t, post("/v1/messages", again)).ok(t, http.StatusOK); same["id"] != got["id"] {
		t.Errorf("%v, want %v", same["id"], got["id"])
	}
	b.do(t, post("/v1/messages", strings.Replace(body, "Ann", "Bob", 1))).refused(t, http.StatusUnprocessableEntity, "client_reference_reused")
	b.do(t, post("/v1/messages?template=true", body)).invalid(t)
	p := b.do(t, post("/v1/messages", strings.Replace(body, "{{name|you}}", "{{caller}}", 1))).invalid(t)
	if len(p.Errors) != 1 || p.Errors[0].Field != "variables.caller" || p.Errors[0].Code != "variable_missing" {
		t.Errorf("%+v", p.Errors)
	}
}

// The rows of each form of a batch are rendered one by one.
func TestTemplateOfABatch(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	table := "to,text,variables.name,variables.city\n" +
		"+12065551212,Hello {{name}},Ann,\n+12065551213,Hello {{name}},,\n+12065551214,Hello {{name|you}} of {{city,,\n+12065551215,\\{{name}} }},,\n"
	query := "template=true&mediaUrl=https://example.com/a.jpg&clientReference=t"
	got := b.do(t, stream(csv, query, table)).ok(t, http.StatusAccepted)
	if results, _ := got["results"].([]any); counts(got) != "2 0 2" || len(results) != 2 {
		t.Fatalf("%v", got)
	}
	for i, want := range []string{"variables.name variable_missing", "text template_invalid"} {
		result, _ := got["results"].([]any)[i].(map[string]any)
		if found := problemsOf(result); found != want {
			t.Errorf("row %v: %s, want %s", result["index"], found, want)
		}
	}
	list := b.do(t, get(fmt.Sprint("/v1/messages?batchId=", got["id"]))).ok(t, http.StatusOK)
	texts := map[string]bool{}
	for _, one := range list["data"].([]any) {
		m, _ := one.(map[string]any)
		texts[fmt.Sprint(m["text"])] = true
	}
	if !texts["Hello Ann"] || !texts["{{name}} }}"] || len(texts) != 2 {
		t.Errorf("%v", texts)
	}
	b.do(t, stream(csv, "template=yes&mediaUrl=https://example.com/a.jpg", table)).invalid(t)
	b.do(t, stream(csv, query+"&text={{a", "to\n+12065551212\n")).invalid(t)

	lines := `{"to":"+12065551212","variables":{"name":"Ann"}}` + "\n" + `{"to":"+12065551213","template":false}` + "\n"
	got = b.do(t, stream(ndjson, query+"2&text=Hi+{{name}}", lines)).ok(t, http.StatusAccepted)
	if counts(got) != "2 0 0" {
		t.Errorf("%v", got)
	}
	body := `{"defaults":{` + templateFields + `,"variables":{"name":"all"}},"messages":[{"to":"+12065551212"},{"to":"+12065551213","variables":{"name":7}}]}`
	got = b.do(t, post("/v1/batches", body)).ok(t, http.StatusAccepted)
	if last, _ := got["results"].([]any)[1].(map[string]any); counts(got) != "1 0 1" || problemsOf(last) != "variables.name wrong_type" {
		t.Errorf("%v", got)
	}
	b.do(t, post("/v1/batches?template=true", body)).invalid(t)
}

// Texts that a template makes count as if they had been written out.
func TestTemplateDoesNotMultiplyABatch(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	items := strings.TrimSuffix(strings.Repeat(`{"to":"+12065551212"},`, 10_000), ",")
	body := func(size int) string {
		return fmt.Sprintf(`{"defaults":{"template":true,"mediaUrl":"https://example.com/a.jpg","text":"{{a}}","variables":{"a":%q}},"messages":[%s]}`,
			strings.Repeat("x", size), items)
	}
	b.do(t, post("/v1/batches", body(4000))).refused(t, http.StatusRequestEntityTooLarge, "body_too_large")
	b.do(t, post("/v1/batches?dryRun=true", body(1000))).ok(t, http.StatusOK)
}
