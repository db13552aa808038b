package config_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/config"
)

//go:generate go test -run ^TestDocuments$ -update .

var update = flag.Bool("update", false, "rewrite the generated documents")

const (
	examplePath  = "../../.env.example"
	documentPath = "../../docs/configuration.md"
	tablesBegin  = "<!-- generated from internal/config: begin -->\n"
	tablesEnd    = "<!-- generated from internal/config: end -->\n"
)

// variable is one environment variable as its field describes it.
type variable struct {
	name, description, values, byDefault string
}

// section is the variables of one group.
type section struct {
	title     string
	variables []variable
}

// TestDocuments keeps what operators read equal to what the code reads.
func TestDocuments(t *testing.T) {
	t.Parallel()

	sections := describe(t)
	document := read(t, documentPath)

	before, rest, begins := strings.Cut(document, tablesBegin)
	_, after, ends := strings.Cut(rest, tablesEnd)

	if !begins || !ends {
		t.Fatalf("%s has lost its markers", documentPath)
	}

	for path, want := range map[string]string{
		examplePath:  example(sections),
		documentPath: before + tablesBegin + tables(sections) + tablesEnd + after,
	} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}

		if diff := cmp.Diff(want, read(t, path)); diff != "" {
			t.Errorf("%s is out of date; run go generate ./internal/config (-want +got):\n%s", path, diff)
		}
	}
}

// With every line of the example in force an api is configured as without it.
func TestExampleHoldsDefaults(t *testing.T) {
	t.Parallel()

	lines := regexp.MustCompile(`(?m)^# ([A-Z_]+=)`).ReplaceAllString(read(t, examplePath), "$1")

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}

	environ, err := config.Environ(dir, nil)
	if err != nil {
		t.Fatal(err)
	}

	for _, name := range documentedNames(t) {
		if _, found := environ[name]; !found {
			t.Errorf("%s is not in the example", name)
		}
	}

	environ["SINCH_NUMBER"] = "88202"
	without := load(t, config.API, map[string]string{"SINCH_NUMBER": "88202"})

	if with := load(t, config.API, environ); !reflect.DeepEqual(with, without) {
		t.Errorf("with the example: %+v\nwithout: %+v", with, without)
	}
}

// describe reads the groups and their variables from the Config struct, and
// their descriptions from the comments in its source.
func describe(tb testing.TB) []section {
	tb.Helper()

	comments := fieldComments(tb)

	var sections []section

	for _, group := range reflect.VisibleFields(reflect.TypeFor[config.Config]()) {
		title := group.Tag.Get("group")
		if title == "" {
			continue
		}

		described := section{title: title}

		for _, field := range reflect.VisibleFields(group.Type) {
			name := field.Tag.Get("env")
			if name == "" || comments[name] == "" {
				tb.Fatalf("%s.%s has no variable or no comment", group.Name, field.Name)
			}

			described.variables = append(described.variables, variable{
				name: name, description: comments[name], values: values(field), byDefault: field.Tag.Get("envDefault"),
			})
		}

		sections = append(sections, described)
	}
	return sections
}

func documentedNames(tb testing.TB) []string {
	tb.Helper()

	var names []string

	for _, section := range describe(tb) {
		for _, variable := range section.variables {
			names = append(names, variable.name)
		}
	}
	return names
}

// fieldComments maps a variable to the comment on its field.
func fieldComments(tb testing.TB) map[string]string {
	tb.Helper()

	file, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		tb.Fatal(err)
	}

	comments := map[string]string{}

	ast.Inspect(file, func(node ast.Node) bool {
		if field, ok := node.(*ast.Field); ok && field.Tag != nil {
			name := reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("env")
			comments[name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
		}
		return true
	})
	return comments
}

// values says in words what a field takes.
func values(field reflect.StructField) string {
	zero := ""
	if field.Tag.Get("zero") == "allowed" {
		zero = ", or 0"
	}

	switch low, high := field.Tag.Get("min"), field.Tag.Get("max"); {
	case field.Tag.Get("oneof") != "":
		return "`" + strings.Join(strings.Fields(field.Tag.Get("oneof")), "` `") + "`"
	case high != "":
		return low + " to " + high + zero
	case low != "":
		return "at least " + low + zero
	case field.Type.String() == "time.Duration":
		return "duration" + zero
	case field.Type.Kind() == reflect.Bool:
		return "`true` `false`"
	}
	return map[string]string{
		"APIKeys": "list of keys, secret", "AdminUsers": "list of users, secret", "SenderRates": "list of paces", "SenderQuotas": "list of numbers of messages", "AreaCodes": "list of area codes", "BaseURL": "URL", "Days": "days or duration", "Destinations": "list of countries", "Endpoint": "URL",
		"HostPort": "host:port", "Identifier": "text", "Networks": "list of CIDRs", "Origin": "URL without a path", "Path": "file", "QuietHours": "span of the day", "RecordKeys": "list of keys, secret", "Region": "country", "Secret": "secret",
		"Sender": "number", "Senders": "list of numbers", "SenderTenants": "list of tenants", "Subject": "text", "HelpText": "text", "Zone": "time zone",
	}[field.Type.Name()]
}

func example(sections []section) string {
	var text strings.Builder

	text.WriteString("# Every variable there is, with its default. Copy to .env for development.\n" +
		"# Explained in docs/configuration.md; both are generated by go generate ./internal/config.\n")

	for _, section := range sections {
		fmt.Fprintf(&text, "\n# --- %s ---\n", section.title)

		for _, variable := range section.variables {
			fmt.Fprintf(&text, "\n# %s\n# %s=%s\n", variable.description, variable.name, variable.byDefault)
		}
	}
	return text.String()
}

func tables(sections []section) string {
	var text strings.Builder

	for _, section := range sections {
		fmt.Fprintf(&text, "\n### %s\n\n| Variable | Values | Default | Meaning |\n|---|---|---|---|\n", section.title)

		for _, variable := range section.variables {
			byDefault := ""
			if variable.byDefault != "" {
				byDefault = "`" + variable.byDefault + "`"
			}

			fmt.Fprintf(&text, "| `%s` | %s | %s | %s |\n", variable.name, variable.values, byDefault, variable.description)
		}
	}
	return text.String() + "\n"
}

func read(tb testing.TB, path string) string {
	tb.Helper()

	content, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return string(content)
}
