package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

func TestAuditLog(t *testing.T) {
	server := redistest.Start(t)
	t.Chdir(t.TempDir()) // where there is no .env
	t.Setenv("REDIS_URL", server.URL())
	l, err := ledger.New(server.Client(t), ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]message.ID, 0, 3)
	for range 3 {
		a, err := l.Accept(t.Context(), ledger.Request{
			Scope: message.Scope{Tenant: "shop"}, From: "+12065550100", Now: time.Now().UTC().Truncate(time.Millisecond),
			Content: message.Content{To: "+12065551212", Media: []string{"https://example.com/a.jpg"}, Priority: message.Normal},
		})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, a.Message.ID)
	}
	audit := func(args ...string) (int, string) {
		var stdout, stderr bytes.Buffer
		code := Main(append([]string{"audit-log"}, args...), &stdout, &stderr)
		return code, stdout.String() + stderr.String()
	}
	if code, out := audit(); code != exitOK || out != "3 messages checked, 0 do not add up\n" {
		t.Errorf("exit code %d, %q", code, out)
	}
	if code, out := audit("--since", "soon"); code != exitFailure || !strings.Contains(out, "must be a time such as 24h or 7d") {
		t.Errorf("exit code %d, %q", code, out)
	}
	_, err = l.Update(t.Context(), ids[1], func(m *message.Message, now time.Time) error {
		m.Attempts = 1 // of which nothing else is recorded
		return m.Cancel(now)
	})
	if err != nil {
		t.Fatal(err)
	}
	code, out := audit("--since", "1h")
	if want := "attempt 1 of 1 is not on the timeline"; code != exitFailure || !strings.Contains(out, string(ids[1])) || !strings.Contains(out, want) {
		t.Errorf("exit code %d, %q", code, out)
	}
	code, out = audit("--json")
	var got struct {
		Checked  int
		Findings []struct {
			ID, Tenant, Status string
			Problems           []struct{ Kind, Text string }
		}
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if code != exitFailure || got.Checked != 3 || len(got.Findings) != 1 || got.Findings[0].Problems[0].Kind != "timeline" ||
		got.Findings[0].Tenant != "shop" || got.Findings[0].Status != "canceled" {
		t.Errorf("exit code %d, %+v", code, got)
	}
}
