package doctor

import (
	"encoding/json"
	"fmt"
	"io"

	"mmsdispatch/internal/telemetry"
)

// Level is the severity of a finding.
type Level string

// The levels.
const (
	OK   Level = "ok"   // no problem
	Warn Level = "warn" // works, with a risk
	Fail Level = "fail" // does not work
)

// Finding is one result of a check.
type Finding struct {
	Check string `json:"check"`
	Level Level  `json:"level"`
	Text  string `json:"text"`
	Fix   string `json:"fix,omitempty"` // remedy
}

// Report has all findings.
type Report struct{ Findings []Finding }

// Level returns the level of the worst finding.
func (r Report) Level() Level {
	worst := OK
	for _, f := range r.Findings {
		if f.Level == Fail {
			return Fail
		}
		if f.Level == Warn {
			worst = Warn
		}
	}
	return worst
}

// Write prints a line for each finding, with its remedy below.
func (r Report) Write(out io.Writer) error {
	for _, f := range r.Findings {
		if _, err := fmt.Fprintf(out, "%-4s  %-13s  %s\n", f.Level, f.Check, f.Text); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
		if f.Fix == "" {
			continue
		}
		if _, err := fmt.Fprintf(out, "%-4s  %-13s  → %s\n", "", "", f.Fix); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	return nil
}

// WriteJSON prints the report as JSON.
func (r Report) WriteJSON(out io.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(struct {
		Status   Level     `json:"status"`
		Findings []Finding `json:"findings"`
	}{r.Level(), r.Findings})
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// findings collects the findings of one check.
type findings struct {
	check string
	list  []Finding
}

func (n *findings) add(level Level, text, fix string) {
	n.list = append(n.list, Finding{Check: n.check, Level: level, Text: text, Fix: fix})
}

func (n *findings) ok(text string)        { n.add(OK, text, "") }
func (n *findings) warn(text, fix string) { n.add(Warn, text, fix) }
func (n *findings) fail(text, fix string) { n.add(Fail, text, fix) }

// scrubbed is the text of another program's error without secrets and personal data.
func scrubbed(err error) string { return telemetry.Scrub(err.Error()) }
