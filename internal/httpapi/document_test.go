package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	apidoc "mmsdispatch/api"
	"mmsdispatch/internal/message"
)

func loadDocument(tb testing.TB, data []byte) *openapi3.T {
	tb.Helper()
	document, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		tb.Fatal(err)
	}
	return document
}

func TestDocumentIsValid(t *testing.T) {
	t.Parallel()
	if err := loadDocument(t, apidoc.OpenAPI).Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestDocumentAndRoutesAgree: every route is described, and every described route
// is served.
func TestDocumentAndRoutesAgree(t *testing.T) {
	t.Parallel()
	var served, described []string
	param := regexp.MustCompile(`:(\w+)`)
	a := &api{Options: Options{Ready: http.NotFoundHandler()}}
	for _, r := range a.routes(&pages{}) {
		served = append(served, r.method+" "+param.ReplaceAllString(r.path, "{$1}"))
	}
	for path, item := range loadDocument(t, apidoc.OpenAPI).Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(described)
	if !slices.Equal(served, described) {
		t.Errorf("served    %v\ndescribed %v", served, described)
	}
}

// TestDocumentNamesEveryCode: the codes of problems and of fields are the same
// in the code and in the document.
func TestDocumentNamesEveryCode(t *testing.T) {
	t.Parallel()
	schemas := loadDocument(t, apidoc.OpenAPI).Components.Schemas
	var codes []string
	for code := range problemKinds {
		codes = append(codes, code)
	}
	var described []string
	for _, code := range schemas["Problem"].Value.Properties["code"].Value.Enum {
		text, _ := code.(string)
		described = append(described, text)
	}
	slices.Sort(codes)
	slices.Sort(described)
	if !slices.Equal(codes, described) {
		t.Errorf("codes %v, described %v", codes, described)
	}
}

// TestDocumentShowsIDsAsTheyAre: the examples are valid ids, and the pattern of
// an id in a query accepts the generated ones.
func TestDocumentShowsIDsAsTheyAre(t *testing.T) {
	t.Parallel()
	document := loadDocument(t, apidoc.OpenAPI)
	example := func(schema *openapi3.SchemaRef) string {
		text, _ := schema.Value.Examples[0].(string)
		return text
	}
	parameters := document.Components.Parameters
	if id := example(parameters["MessageID"].Value.Schema); !isID(message.ParseID(id)) {
		t.Errorf("%q is no id of a message", id)
	}
	filter := document.Paths.Find("/v1/messages").Get.Parameters.GetByInAndName(openapi3.ParameterInQuery, "batchId").Schema
	for _, id := range []string{example(parameters["BatchID"].Value.Schema), example(filter)} {
		if !isID(message.ParseBatchID(id)) {
			t.Errorf("%q is no id of a batch", id)
		}
	}
	form := regexp.MustCompile(filter.Value.Pattern)
	for range 100 {
		if id := string(message.NewBatchID(message.RandomIdentity(), time.Now())); !form.MatchString(id) {
			t.Fatalf("%s does not match %s", id, form)
		}
	}
	for _, id := range []string{"", "bad", "bat_x", string(message.NewID(message.RandomIdentity(), time.Now()))} {
		if form.MatchString(id) {
			t.Errorf("%s matches %s", id, form)
		}
	}
}

func isID[T ~string](_ T, err error) bool { return err == nil }

func TestDocumentIsTheSameInJSON(t *testing.T) {
	t.Parallel()
	p, err := newPages()
	if err != nil {
		t.Fatal(err)
	}
	fromYAML, err := json.Marshal(loadDocument(t, apidoc.OpenAPI))
	if err != nil {
		t.Fatal(err)
	}
	fromJSON, err := json.Marshal(loadDocument(t, p.document))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(fromYAML, fromJSON) {
		t.Error("openapi.json says something else than openapi.yaml")
	}
	if !strings.HasPrefix(string(p.document), `{"openapi":"3.1.0","info":`) {
		t.Errorf("the order is lost: %.60s", p.document)
	}
}

func TestYAMLThatJSONDoesNotHave(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"a: &x 1\nb: *x\n", "a: .nan\n", "a: [\n"} {
		if out, err := yamlToJSON([]byte(text)); err == nil {
			t.Errorf("%q became %s", text, out)
		}
	}
}

func TestPageHasNoOutsideAssets(t *testing.T) {
	t.Parallel()
	if outside := regexp.MustCompile(`(src|href)="(https?:)?//`).Find(docsPage); outside != nil {
		t.Errorf("the page loads %s", outside)
	}
	p, err := newPages()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(p.policy, "'sha256-") != 2 || strings.Contains(p.policy, "unsafe") {
		t.Errorf("policy %s", p.policy)
	}
	if hashes([]byte("<p>"), "script") != "'none'" {
		t.Error("a page without a script may run one")
	}
}
