package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/redistest"
)

// TestPausesFromPauseToResume: each selector pauses its scope under the operator's
// name and reason, resume ends it, and the audit has both without a number.
func TestPausesFromPauseToResume(t *testing.T) {
	t.Chdir(t.TempDir()) // where there is no .env
	t.Setenv("REDIS_URL", redistest.Start(t).URL())
	const batch = "bat_00000000000000000000000000000000"
	list := func() []operator.PauseInForce {
		out, err := ctl(t, "pauses", "--json")
		var pauses []operator.PauseInForce
		if err != nil || json.Unmarshal([]byte(out), &pauses) != nil || !strings.HasPrefix(out, "[") {
			t.Fatalf("%q, %v", out, err)
		}
		return pauses
	}
	if len(list()) != 0 {
		t.Error("something is paused")
	}
	selectors := map[string][]string{
		"all": {}, "lane:bulk": {"--lane", "bulk"}, "tenant:acme": {"--tenant", "acme"}, "sender:+12065550100": {"--sender", "12065550100"},
	}
	for scope, selector := range selectors {
		if out, err := ctl(t, append([]string{"pause"}, selector...)...); err == nil || !strings.Contains(err.Error(), "--reason is required") {
			t.Errorf("%s without a reason: %q, %v", scope, out, err)
		}
		if out, err := ctl(t, append([]string{"pause", "--as", "ann", "--reason", "why"}, selector...)...); err != nil || out != "paused: "+scope+"\n" {
			t.Errorf("%s: %q, %v", scope, out, err)
		}
	}
	for _, p := range list() {
		if _, known := selectors[p.Scope]; !known || p.Actor != "ann" || p.Reason != "why" || p.Since.IsZero() || p.Until != nil || p.ProbeAt != nil {
			t.Errorf("%+v", p)
		}
	}
	if len(list()) != len(selectors) {
		t.Errorf("%d pauses", len(list()))
	}
	table, err := ctl(t, "pauses")
	if err != nil || !strings.Contains(table, "lane:bulk") {
		t.Errorf("%q, %v", table, err)
	}
	for scope, selector := range selectors {
		if out, err := ctl(t, append([]string{"resume"}, selector...)...); err != nil || out != "resumed: "+scope+"\n" {
			t.Errorf("%s: %q, %v", scope, out, err)
		}
	}
	if out, err := ctl(t, "resume"); err != nil || out != "was not paused: all\n" || len(list()) != 0 {
		t.Errorf("%q, %v, %v", out, err, list())
	}
	for _, wrong := range [][]string{
		{"--lane", "fast"}, {"--tenant", "A B"}, {"--sender", "me"}, {"--batch", batch + "x"}, {"--lane", "bulk", "--tenant", "acme"}, {"all"},
	} {
		if out, err := ctl(t, append([]string{"pause", "--reason", "x"}, wrong...)...); err == nil || out != "" {
			t.Errorf("%v: %q, %v", wrong, out, err)
		}
	}
	text, err := ctl(t, "audit", "--json")
	var entries []operator.Entry
	if err != nil || json.Unmarshal([]byte(text), &entries) != nil {
		t.Fatalf("%q, %v", text, err)
	}
	if len(entries) != 2*len(selectors) || entries[0].Action != operator.ActionResume || entries[len(entries)-1].Action != operator.ActionPause {
		t.Errorf("%+v", entries)
	}
	if strings.Contains(text, "2065550100") || !strings.Contains(text, `"target":"sender:+1…00"`) {
		t.Error(text)
	}
	for _, key := range []string{`"at"`, `"actor"`, `"from":"mmsctl"`, `"action"`, `"target"`, `"reason"`, `"before"`, `"after"`} {
		if !strings.Contains(text, key) {
			t.Errorf("no %s in %s", key, text)
		}
	}
	if out, err := ctl(t, "audit", "--since", "1d"); err != nil || strings.Count(out, "\n") != 1+len(entries) {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := ctl(t, "audit", "--since", "soon"); err == nil {
		t.Errorf("%q", out)
	}
}
