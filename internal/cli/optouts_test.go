package cli

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/redistest"
)

// TestOptOutsFromAddToRemove walks through the life of an opt-out, plain and
// encrypted. The audit has each change and no full number.
func TestOptOutsFromAddToRemove(t *testing.T) {
	for name, keys := range map[string]string{"plain": "", "encrypted": "k1:a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("REDIS_URL", redistest.Start(t).URL())
			t.Setenv("RECORD_KEYS", keys)
			listed := func(args ...string) []shownOptOut {
				t.Helper()
				out, err := ctl(t, append([]string{"optouts", "list", "shop", "--json"}, args...)...)
				var all []shownOptOut
				if err != nil || json.Unmarshal([]byte(out), &all) != nil {
					t.Fatal(err, out)
				}
				return all
			}
			does := func(says string, args ...string) {
				t.Helper()
				if out, err := ctl(t, append([]string{"optouts"}, args...)...); err != nil || !strings.HasPrefix(out, says) {
					t.Fatalf("%v: %q, %v", args, out, err)
				}
			}
			does("opted out", "add", "shop", "(206) 555-1212", "--reason", "asked by letter", "--as", "ann")
			does("was opted out before", "add", "shop", "+12065551212", "--reason", "asked again", "--as", "ann")
			does("opted out", "add", "shop", "+12065551212", "--sender", "12065550100", "--reason", "this number only")
			if all := listed(); len(all) != 2 || all[1].Number != "+12065551212" || all[1].Source != "api" || *all[1].Reason != "asked again" || *all[0].Sender != "+12065550100" {
				t.Errorf("%+v", all)
			}
			if len(listed("--test")) != 0 {
				t.Error("opt-outs of live messages count for test messages")
			}
			does("removed", "remove", "shop", "+12065551212", "--reason", "a mistake", "--as", "ben")
			does("was not opted out", "remove", "shop", "+12065551212", "--reason", "a mistake")
			if len(listed()) != 0 {
				t.Error("opt-outs are left")
			}
			wantOptOutAudit(t)
		})
	}
}

func wantOptOutAudit(t *testing.T) {
	t.Helper()
	out, err := ctl(t, "audit", "--json")
	var entries []operator.Entry
	if err != nil || json.Unmarshal([]byte(out), &entries) != nil || len(entries) != 4 {
		t.Fatal(err, out)
	}
	if strings.Contains(out, "2065551212") {
		t.Errorf("the audit has a number: %s", out)
	}
	last, first := entries[0], entries[3]
	if last.Action != operator.ActionOptOutRemove || last.Actor != "ben" || last.Target != "+1…12" || last.Reason != "a mistake" || last.Before == nil || last.After != nil {
		t.Errorf("%+v", last)
	}
	if first.Action != operator.ActionOptOutAdd || first.Actor != "ann" || first.Before != nil || first.After == nil {
		t.Errorf("%+v", first)
	}
}

func TestOptOutsAreChecked(t *testing.T) {
	t.Setenv("REDIS_URL", redistest.Start(t).URL())
	for _, args := range [][]string{
		{"add", "shop", "+12065551212"},
		{"add", "shop", "12", "--reason", "r"},
		{"add", "Shop", "+12065551212", "--reason", "r"},
		{"add", "shop", "+12065551212", "--sender", "acme", "--reason", "r"},
		{"remove", "shop", "+12065551212"},
		{"list", "Shop"},
	} {
		if out, err := ctl(t, append([]string{"optouts"}, args...)...); err == nil || out != "" {
			t.Errorf("%v: %q, %v", args, out, err)
		}
	}
	if out, err := ctl(t, "audit", "--json"); err != nil || strings.TrimSpace(out) != "[]" {
		t.Errorf("refused changes are recorded: %s, %v", out, err)
	}
}

// TestReplayAndCancelAreRecorded: before the request, and never under a name that
// nothing records.
func TestReplayAndCancelAreRecorded(t *testing.T) {
	fake := &fakeAPI{}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	call := func(args ...string) error {
		_, err := ctl(t, append(args, "--url", server.URL, "--key", testKey, "--as", "ann")...)
		return err
	}
	t.Setenv("REDIS_URL", "")
	for _, args := range [][]string{{"replay", "msg_1"}, {"cancel", "bat_1"}} {
		if err := call(args...); err == nil || !strings.Contains(err.Error(), "REDIS_URL is not set") {
			t.Errorf("%v without Redis: %v", args, err)
		}
	}
	if len(fake.request) != 0 {
		t.Errorf("asked %q", fake.request)
	}
	t.Setenv("REDIS_URL", redistest.Start(t).URL())
	for _, args := range [][]string{{"replay", "msg_1"}, {"cancel", "bat_1"}} {
		if err := call(args...); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
	out, err := ctl(t, "audit", "--json")
	var entries []operator.Entry
	if err != nil || json.Unmarshal([]byte(out), &entries) != nil || len(entries) != 2 || entries[0].Target != "bat_1" ||
		entries[0].Action != operator.ActionMessageCancel || entries[1].Action != operator.ActionMessageReplay || entries[1].Actor != "ann" {
		t.Errorf("%s, %v", out, err)
	}
	t.Setenv("REDIS_URL", "redis://127.0.0.1:1/0")
	before := len(fake.request)
	if err := call("cancel", "msg_2"); err == nil || len(fake.request) != before {
		t.Errorf("a change that cannot be recorded was made: %v, %q", err, fake.request[before:])
	}
}
