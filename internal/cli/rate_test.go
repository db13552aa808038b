package cli

import (
	"bytes"
	"strings"
	"testing"

	"mmsdispatch/internal/redistest"
)

func TestRate(t *testing.T) {
	server := redistest.Start(t)
	t.Chdir(t.TempDir()) // where there is no .env
	t.Setenv("REDIS_URL", server.URL())
	t.Setenv("SINCH_RATE", "12")
	for _, step := range []struct {
		args string
		code int
		want string
	}{
		{"", exitOK, "12 per second (SINCH_RATE)\n"},
		{"25", exitFailure, "--reason is required"},
		{"fast --reason x", exitFailure, `"fast" is neither a number nor reset`},
		{"NaN --reason x", exitFailure, "from 0.001 to 1000000"},
		{"--reason x -- -1", exitFailure, "from 0.001 to 1000000"},
		{"2000000 --reason x", exitFailure, "from 0.001 to 1000000"},
		{"2.5 --reason trial --as ann", exitOK, "2.5 per second (set by ann at 2"},
		{"", exitOK, ": trial); SINCH_RATE is 12 per second\n"},
		{"0 --reason trial", exitOK, "no limit (set by "},
		{"reset", exitOK, "12 per second (SINCH_RATE)\n"},
		{"", exitOK, "12 per second (SINCH_RATE)\n"},
	} {
		var stdout, stderr bytes.Buffer
		code := Main(append([]string{"rate"}, strings.Fields(step.args)...), &stdout, &stderr)
		if out := stdout.String() + stderr.String(); code != step.code || !strings.Contains(out, step.want) {
			t.Errorf("rate %s: exit code %d, %q, want %q", step.args, code, out, step.want)
		}
	}
}
