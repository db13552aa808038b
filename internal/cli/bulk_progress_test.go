package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestProgressSaysThatTheAnswerIsWaitedFor(t *testing.T) {
	t.Parallel()
	const file = "to\n1\n2\n"
	var out bytes.Buffer
	p := newProgress(strings.NewReader(file), "rows.csv", int64(len(file)), &out)
	const waiting = "rows.csv sent, waiting for the response 100%"
	if _, err := io.ReadFull(p, make([]byte, len(file))); err != nil || strings.Contains(out.String(), "waiting") {
		t.Errorf("%q %v", out.String(), err)
	}
	if rest, err := io.ReadAll(p); err != nil || len(rest) > 0 || strings.Count(out.String(), waiting) != 1 {
		t.Errorf("%q %v", out.String(), err)
	}
	p.end()
	if !strings.HasSuffix(out.String(), "\n") {
		t.Errorf("%q", out.String())
	}
}

// TestProgressStaysWhereItCame: a file that is refused at once was not sent.
func TestProgressStaysWhereItCame(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := newProgress(strings.NewReader("to"), "rows.csv", 100, &out)
	p.end()
	if strings.Contains(out.String(), "100%") {
		t.Errorf("%q", out.String())
	}
}
