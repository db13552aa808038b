package doctor_test

import (
	"bytes"
	"maps"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"mmsdispatch/internal/config"
	"mmsdispatch/internal/doctor"
	"mmsdispatch/internal/pgtest"
	"mmsdispatch/internal/redistest"
)

func TestMain(m *testing.M) {
	logging.Disable()
	goleak.VerifyTestMain(pgtest.Main(redistest.Main(m)))
}

const (
	sinchKey = "sinch-key-hunter2"
	apiKey   = "mms_live_hunter2hunter2hunter2hunter2"
	nowhere  = "127.0.0.1:1" // no listener
)

// sound is a valid environment with changes; an empty value removes a variable.
func sound(changes map[string]string) map[string]string {
	environ := map[string]string{
		"API_KEYS":            "acme:" + apiKey,
		"REDIS_URL":           "redis://" + nowhere,
		"SINCH_API":           "simulator",
		"SINCH_API_TOKEN":     sinchKey,
		"SINCH_NUMBER":        "+12065550100",
		"SINCH_WEBHOOK_TOKEN": "hook-hunter2",
	}
	maps.Copy(environ, changes)
	return environ
}

// examine checks an environment of both processes.
func examine(tb testing.TB, environ map[string]string) doctor.Report {
	tb.Helper()
	return doctor.Examine(tb.Context(), doctor.Options{
		Environ: environ, Processes: []config.Process{config.API, config.Worker},
	})
}

// found returns the findings of a check, a line each: level, text and fix.
func found(report doctor.Report, check string) string {
	var lines []string
	for _, f := range report.Findings {
		if f.Check == check {
			lines = append(lines, strings.TrimSuffix(string(f.Level)+" "+f.Text+" → "+f.Fix, " → "))
		}
	}
	return strings.Join(lines, "\n")
}

// want checks the findings of a check: the number of lines, and each with its parts in
// order. A * matches any text, as does the end of the part before →.
func want(tb testing.TB, report doctor.Report, check string, lines ...string) {
	tb.Helper()
	got := strings.Split(found(report, check), "\n")
	if len(got) != len(lines) {
		tb.Errorf("%s: %d findings, want %d:\n%s", check, len(got), len(lines), strings.Join(got, "\n"))
		return
	}
	for i, line := range lines {
		rest := got[i]
		for word := range strings.SplitSeq(strings.ReplaceAll(line, " →", "* →"), "*") {
			_, after, ok := strings.Cut(rest, word)
			if !ok {
				tb.Errorf("%s: %q does not say %q", check, got[i], line)
				break
			}
			rest = after
		}
	}
}

// printed is a report as text and as JSON.
func printed(tb testing.TB, report doctor.Report) string {
	tb.Helper()
	var out bytes.Buffer
	if err := report.Write(&out); err != nil {
		tb.Fatal(err)
	}
	if err := report.WriteJSON(&out); err != nil {
		tb.Fatal(err)
	}
	return out.String()
}
