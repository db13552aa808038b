package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"mmsdispatch/internal/redistest"
)

// TestCommandsPrintJSON: each command that finds or changes something prints one JSON
// value, and nothing else, on stdout with --json.
func TestCommandsPrintJSON(t *testing.T) {
	t.Setenv("REDIS_URL", redistest.Start(t).URL())
	keyID := ""
	for _, c := range []struct{ args, has string }{
		{"version", `"version":"`},
		{"rate", `"source":"SINCH_RATE"`},
		{"rate 25 --reason more", `{"perSecond":25,"source":"operator","configured":`},
		{"pause --lane bulk --reason complaints", `{"scope":"lane:bulk","paused":true}`},
		{"pauses", `"scope":"lane:bulk"`},
		{"resume --lane bulk", `{"scope":"lane:bulk","paused":false,"wasPaused":true}`},
		{"resume --lane bulk", `"wasPaused":false`},
		{"optouts add shop +12065551212 --reason asked", `{"optedOut":true,"changed":true}`},
		{"optouts list shop", `"number":"+12065551212"`},
		{"optouts remove shop +12065551212 --reason mistake", `{"optedOut":false,"changed":true}`},
		{"optouts remove shop +12065551212 --reason mistake", `{"optedOut":false,"changed":false}`},
		{"keys create shop --test", `"key":"mms_test_`},
		{"keys update ID --name till", `"name":"till"`},
		{"keys rotate ID", `"key":"mms_test_`},
		{"keys revoke ID", `"revoked":true`},
		{"keys list --tenant shop", `"revokedAt":"`},
		{"audit", `"action":"`},
		{"audit-log", `{"checked":0,`},
		{"replay --status failed --dry-run", `{"count":0,"mayDouble":0,"sample":[]}`},
		{"cancel --status queued --dry-run", `{"count":0,"attempted":0,"sample":[]}`},
		{"suppress --status failed --dry-run", `{"count":0,"attempted":0,"sample":[]}`},
	} {
		args := strings.Fields(strings.Replace(c.args, "ID", keyID, 1))
		var out, rest bytes.Buffer
		code := Main(append(args, "--json"), &out, &rest)
		var value json.RawMessage
		if err := json.Unmarshal(out.Bytes(), &value); err != nil || code != exitOK || !bytes.Contains(value, []byte(c.has)) {
			t.Errorf("mmsctl %s: exit code %d, %v: %s%s", c.args, code, err, out.String(), rest.String())
		}
		if c.args == "keys create shop --test" {
			var created shownKey
			if err := json.Unmarshal(value, &created); err != nil {
				t.Fatal(err)
			}
			keyID = created.ID
		}
	}
}

// TestEveryCommandTakesJSON: and has help and an argument check of its own.
func TestEveryCommandTakesJSON(t *testing.T) {
	t.Parallel()
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		if cmd.Short == "" || cmd.InheritedFlags().Lookup(jsonFlag) == nil {
			t.Errorf("%s has no help or no --json", cmd.CommandPath())
		}
		if cmd.LocalNonPersistentFlags().Lookup(jsonFlag) != nil {
			t.Errorf("%s has a --json of its own", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			check(sub)
		}
	}
	for _, cmd := range newRoot(nil, nil).Commands() {
		check(cmd)
	}
}
