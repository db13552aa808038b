package template_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"mmsdispatch/internal/template"
)

func values(pairs map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := pairs[name]
		return value, ok
	}
}

func TestRender(t *testing.T) {
	t.Parallel()
	of := values(map[string]string{"name": "Ann", "empty": "", "braces": "{{name}}", "größe": "L", "a.b-c_1": "x"})
	for text, want := range map[string]string{
		"":                              "",
		"Hello":                         "Hello",
		"Hello {{name}}!":               "Hello Ann!",
		"{{name}}{{name}}":              "AnnAnn",
		"{{ name }}":                    "Ann",
		"{{name|you}}":                  "Ann",
		"{{other|you}}":                 "you",
		"{{other|}}":                    "",
		"{{other| a | b }}":             " a | b ",
		"{{empty|you}}":                 "",
		"{{braces}}":                    "{{name}}",
		"{{größe}} {{a.b-c_1}}":         "L x",
		`\{{name}}`:                     "{{name}}",
		`\\{{name}}`:                    `\{{name}}`,
		`{{name}} \{{ {{name}}`:         "Ann {{ Ann",
		"a }} b":                        "a }} b",
		"{name} } {":                    "{name} } {",
		"{{name}}}":                     "Ann}",
		"{{other|a}b}}":                 "a}b",
		"{{other|two\nlines}}":          "two\nlines",
		`C:\ {{name}}`:                  `C:\ Ann`,
		"{{name}} and {{other|a \\ b}}": `Ann and a \ b`,
	} {
		if got, missing, err := template.Render(text, of); got != want || len(missing) > 0 || err != nil {
			t.Errorf("%q: %q, %q, %v; want %q", text, got, missing, err, want)
		}
	}
}

func TestMissing(t *testing.T) {
	t.Parallel()
	_, missing, err := template.Render("{{a}} {{b|x}} {{c}} {{a}}", values(nil))
	if want := []string{"a", "c"}; err != nil || !slices.Equal(missing, want) {
		t.Errorf("%q, %v; want %q", missing, err, want)
	}
}

func TestNoTemplate(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"{{", "Hello {{name", "{{name}", "{{}}", "{{ }}", "{{|x}}", "{{first name}}", "{{{name}}}", "{{na{me}}", "{{a|{{b}}", "{{a|{{b}}}}",
		"{{a\n}}", "{{a$}}", "{{" + strings.Repeat("a", 41) + "}}", "{{name}} {{",
	} {
		_, _, err := template.Render(text, values(map[string]string{"name": "Ann", "a": "x", "b": "x"}))
		if _, wrong := errors.AsType[*template.SyntaxError](err); !wrong {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A result that no message can have does not fill the memory.
func TestResultIsBounded(t *testing.T) {
	t.Parallel()
	of := values(map[string]string{"a": strings.Repeat("ä", 100_000)})
	got, _, err := template.Render(strings.Repeat("{{a}}", 100_000), of)
	if err != nil || len(got) < template.SizeMax || len(got) > template.SizeMax+utf8.UTFMax || !utf8.ValidString(got) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// FuzzRender: a text is rendered or refused; literal text stays, whatever values
// are.
func FuzzRender(f *testing.F) {
	f.Add("Hello {{name|you}}, {{b}} \\{{", "Ann")
	f.Add("{{a}", "{{a}}")
	f.Add("}}{{a|{b}}}}", "\xff")
	f.Fuzz(func(t *testing.T, text, value string) {
		calls := 0
		got, missing, err := template.Render(text, func(string) (string, bool) {
			calls++
			return value, true
		})
		if len(missing) > 0 {
			t.Errorf("%q is missing", missing)
		}
		if err != nil {
			return
		}
		if want := len(text) - strings.Count(text, `\{{`) - calls*len("{{}}"); calls == 0 && len(text) <= template.SizeMax && len(got) != want {
			t.Errorf("%d bytes of %q, want %d", len(got), got, want)
		}
		if calls > 0 && len(value) <= template.SizeMax && len(got) <= template.SizeMax && !strings.Contains(got, value) {
			t.Errorf("%q has no %q", got, value)
		}
		if utf8.ValidString(text) && utf8.ValidString(value) && !utf8.ValidString(got) {
			t.Errorf("%q is not UTF-8", got)
		}
		if len(got) > template.SizeMax+utf8.UTFMax {
			t.Errorf("%d bytes", len(got))
		}
	})
}
