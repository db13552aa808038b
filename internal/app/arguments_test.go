package app

import (
	"bytes"
	"strings"
	"testing"
)

// TestArguments: a process starts without any, and says so instead of ignoring
// them.
func TestArguments(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{API, Worker} {
		for args, want := range map[string]struct {
			code        int
			out, errOut string
		}{
			"--help":         {exitOK, "environment variables", ""},
			"-h":             {exitOK, "Usage: " + string(kind), ""},
			"--version":      {exitOK, string(kind) + " ", ""},
			"--port 3001":    {exitConfig, "", string(kind) + " takes no arguments"},
			"serve":          {exitConfig, "", "environment variables"},
			"--help --port":  {exitConfig, "", "takes no arguments"},
			"--version=true": {exitConfig, "", "takes no arguments"},
		} {
			var out, errOut bytes.Buffer
			code, done := answerArguments(kind, strings.Fields(args), &out, &errOut)
			output := strings.Contains(out.String(), want.out) && strings.Contains(errOut.String(), want.errOut)
			if !done || code != want.code || !output || (out.Len() > 0) == (errOut.Len() > 0) {
				t.Errorf("%s %s: %d %t %q %q", kind, args, code, done, out.String(), errOut.String())
			}
		}
		if _, done := answerArguments(kind, nil, nil, nil); done {
			t.Errorf("%s without arguments does not start", kind)
		}
	}
}
