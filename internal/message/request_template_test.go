package message

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rendered checks a request with fields beside the required ones.
func rendered(t *testing.T, fields string) Draft {
	t.Helper()
	draft, err := testRules().Parse([]byte(`{`+minimal+`,`+fields+`}`), nil, testNow())
	if err != nil {
		t.Fatal(err)
	}
	return draft
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	draft := rendered(t, `"template":true,"variables":{"name":"Ann","shop":"Łódź"},"text":"Hello {{name}}, \\{{name}}","subject":"{{shop}}",
		"fallbackText":"Hello {{nick|you}}"`)
	if c := draft.Content; len(draft.Problems) > 0 || c.Text != "Hello Ann, {{name}}" || c.Subject != "Łódź" || c.FallbackText != "Hello you" {
		t.Errorf("%+v %v", c, found(draft.Problems))
	}
	if want := len("Hello Ann, {{name}}Łódź") + len("Hello you"); draft.Rendered != want {
		t.Errorf("%d bytes, want %d", draft.Rendered, want)
	}
}

// The result is the content of the message, whatever it was made from.
func TestTemplateIsComparedByItsResult(t *testing.T) {
	t.Parallel()
	template := rendered(t, `"template":true,"variables":{"name":"Ann","other":"x"},"text":"Hello {{name}}"`).Content
	if written := rendered(t, `"text":"Hello Ann"`).Content; !template.Equal(written) {
		t.Error(cmp.Diff(template, written))
	}
}

func TestWithoutTemplateNothingIsInterpreted(t *testing.T) {
	t.Parallel()
	for _, off := range []string{"", `"template":false,`, `"template":null,`} {
		draft := rendered(t, off+`"text":"{{name}} \\{{ {{"`)
		if c := draft.Content; len(draft.Problems) > 0 || c.Text != `{{name}} \{{ {{` || draft.Rendered != 0 {
			t.Errorf("%s %q %v", off, c.Text, found(draft.Problems))
		}
	}
}

func TestTemplateProblems(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3000)
	for fields, want := range map[string][]string{
		`"template":true,"text":"{{a}} {{b}} {{a}}","subject":"{{b}}"`: {"variables.b variable_missing", "variables.a variable_missing"},
		`"template":true,"text":"{{a","fallbackText":"{{}}"`:           {"text template_invalid", "fallbackText template_invalid"},
		`"template":true,"text":"{{a}} {{b c}}"`:                       {"text template_invalid", "variables.a variable_missing"},
		`"template":true,"variables":{"a":null},"text":"{{a}}"`:        {"variables.a variable_missing"},
		`"template":true,"variables":{"a":1},"text":"{{a|x}}"`:         {"variables.a wrong_type"},
		`"template":true,"variables":{"a":"x","a":"y"}`:                {"variables.a duplicate_field"},
		`"template":true,"variables":["a"]`:                            {"variables wrong_type"},
		`"template":"true"`:                                            {"template wrong_type"},
		`"template":1,"variables":{"a":"x"}`:                           {"template wrong_type"},
		`"variables":{"a":"x"}`:                                        {"variables conflict"},
		`"template":false,"variables":{}`:                              {"variables conflict"},
		`"template":true,"variables":{"a":"` + long + `"},"text":"{{a}}{{a}}","subject":"{{a}}","fallbackText":"{{a}}"`: {
			"subject too_long", "text too_long", "fallbackText too_long",
		},
		`"template":true,"variables":{"a":"\u65e5\u672c"},"subject":"{{a}}"`: {"subject subject_characters"},
		`"template":true,"variables":{"a":"\u0007"},"text":"{{a}}"`:          {"text control_characters"},
		`"template":true,"variables":{"a":""},"fallbackText":"{{a}}"`:        {"fallbackText invalid"},
		`"template":true,"variables":{"a":"x"},"text":"{{a}}","mediaUrl2":1`: {"mediaUrl2 unknown_field"},
	} {
		if got := found(rendered(t, fields).Problems); !slices.Equal(got, want) {
			t.Errorf("%.80s: %v, want %v", fields, got, want)
		}
	}
	many := `"template":true,"variables":{"a0":"x"`
	for i := range variablesMax {
		many += `,"b` + decimal(i) + `":"x"`
	}
	if got := found(rendered(t, many+`}`).Problems); !slices.Equal(got, []string{"variables too_many"}) {
		t.Errorf("%v", got)
	}
}

// A text whose result is blank is absent, and an empty value is a value.
func TestBlankResultIsAbsent(t *testing.T) {
	t.Parallel()
	draft := rendered(t, `"template":true,"variables":{"a":""},"text":"{{a|x}}","subject":" {{a}} "`)
	if c := draft.Content; len(draft.Problems) > 0 || c.Text != "" || c.Subject != "" {
		t.Errorf("%+v %v", c, found(draft.Problems))
	}
}

// Placeholders of the defaults are filled by each row, whose variables come before
// those of the defaults.
func TestTemplateOfDefaults(t *testing.T) {
	t.Parallel()
	rules := testRules()
	defaults := ReadRow([]byte(`{"template":true,"text":"{{greeting}} {{name}} of {{shop|us}}","variables":{"greeting":"Hello","name":"you"},
		"mediaUrl":"https://example.com/a.jpg"}`))
	if wrong := rules.CheckDefaults(defaults, "defaults."); len(wrong) > 0 {
		t.Fatalf("%v", found(wrong))
	}
	for row, want := range map[string]string{
		`{"to":"+12065551212"}`:                                                 "Hello you of us",
		`{"to":"+12065551212","variables":{"name":"Ann"}}`:                      "Hello Ann of us",
		`{"to":"+12065551212","variables":{"shop":"A"},"text":"{{shop}}"}`:      "A",
		`{"to":"+12065551212","template":false,"text":"{{name}}"}`:              "{{name}}",
		`{"to":"+12065551212","template":true,"variables":{"greeting":"Dear"}}`: "Dear you of us",
	} {
		draft := rules.CheckRow(ReadRow([]byte(row)), defaults, testNow())
		if len(draft.Problems) > 0 || draft.Content.Text != want {
			t.Errorf("%s: %q %v, want %q", row, draft.Content.Text, found(draft.Problems), want)
		}
	}
	if again := rules.CheckRow(ReadRow([]byte(`{"to":"+12065551212"}`)), defaults, testNow()); again.Content.Text != "Hello you of us" {
		t.Errorf("a row has changed the defaults: %q", again.Content.Text)
	}
	missing := ReadRow([]byte(`{"template":true,"text":"{{name}}"}`))
	if wrong := rules.CheckDefaults(missing, "defaults."); len(wrong) > 0 {
		t.Errorf("rows may have the variable: %v", found(wrong))
	}
	invalid := ReadRow([]byte(`{"template":true,"text":"{{name"}`))
	if got := found(rules.CheckDefaults(invalid, "defaults.")); !slices.Equal(got, []string{"defaults.text template_invalid"}) {
		t.Errorf("%v", got)
	}
}

// Columns of a table are variables; an empty cell has no value.
func TestVariablesOfATable(t *testing.T) {
	t.Parallel()
	var defaults Fields
	defaults.Set("template", "true")
	defaults.Set("mediaUrl", "https://example.com/a.jpg")
	for cells, want := range map[[3]string]string{
		{"Ann", "Hello {{first}} {{last|B.}}", ""}: "Hello Ann B.",
		{"", "Hello {{first|you}}", ""}:            "Hello you",
		{"", "Hello {{first}}", ""}:                "variables.first variable_missing",
		{"Ann", "Hello {{first}}", "FALSE"}:        "variables conflict",
		{"Ann", "Hello {{first}}", "TRUE"}:         "Hello Ann",
		{"Ann", "Hello {{first}}", "yes"}:          "template invalid",
		{"", `\{{first}}`, ""}:                     "{{first}}",
	} {
		var row Fields
		row.Set("to", "+12065551212")
		row.Set("variables.first", cells[0])
		row.Set("text", cells[1])
		row.Set("template", cells[2])
		draft := testRules().CheckRow(row, defaults, testNow())
		if got := strings.Join(found(draft.Problems), ", "); got != want && (got != "" || draft.Content.Text != want) {
			t.Errorf("%q: %q %q, want %q", cells, got, draft.Content.Text, want)
		}
	}
	for column, want := range map[string]bool{
		"template": true, "variables.a": true, "variables.": false, "variables": false, "variablesxa": false, "metadata.a": true, "metadata": false,
	} {
		if Column(column) != want {
			t.Errorf("%s: %t", column, !want)
		}
	}
}
