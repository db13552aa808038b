package telemetry_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// alert is a rule of deploy/prometheus/rules.
type alert struct {
	Alert       string
	Annotations struct{ Runbook, Console string }
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []alert }
	}
	if err := yaml.Unmarshal([]byte(read(t, "../../deploy/prometheus/rules/mmsdispatch.yml")), &file); err != nil {
		t.Fatal(err)
	}
	var all []alert
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("there are no alerts")
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	heading  = regexp.MustCompile(`(?m)^#+ (.+)$`)
	noAnchor = regexp.MustCompile(`[^a-z0-9 -]`)
)

// anchors are those of the headings of a page.
func anchors(page string) map[string]bool {
	found := make(map[string]bool)
	for _, h := range heading.FindAllStringSubmatch(page, -1) {
		found[strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")] = true
	}
	return found
}

// Each alert leads to a section of the runbook and to a page of the console, and has
// a test of promtool in which it fires.
func TestAlertsLeadSomewhere(t *testing.T) {
	t.Parallel()
	sections := anchors(read(t, "../../docs/runbook.md"))
	console, rules := read(t, "../console/pages/handler.go"), read(t, "../../deploy/prometheus/tests/mmsdispatch.yml")
	for _, a := range alerts(t) {
		anchor, isRunbook := strings.CutPrefix(a.Annotations.Runbook, "docs/runbook.md#")
		if !isRunbook || !sections[anchor] {
			t.Errorf("%s: no section %q", a.Alert, a.Annotations.Runbook)
		}
		page, isConsole := strings.CutPrefix(a.Annotations.Console, "/console/")
		path, _, _ := strings.Cut(page, "?")
		if !isConsole || path != "" && !strings.Contains(console, `"`+path+`":`) {
			t.Errorf("%s: no page %q", a.Alert, a.Annotations.Console)
		}
		fires := regexp.MustCompile(`alertname: ` + a.Alert + `\n\s+eval_time: \w+\n\s+exp_alerts:\n`)
		if !fires.MatchString(rules) {
			t.Errorf("%s fires in no test", a.Alert)
		}
	}
}
