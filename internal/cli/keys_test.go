package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/redistest"
)

// ctl runs mmsctl and returns what it prints on stdout.
func ctl(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	var out, rest bytes.Buffer
	cmd := newRoot(&out, &rest)
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// TestKeysFromCreateToRevoke walks through the life of a key.
func TestKeysFromCreateToRevoke(t *testing.T) {
	t.Setenv("REDIS_URL", redistest.Start(t).URL())
	key, err := ctl(t, "keys", "create", "shop", "--test", "--name", "till", "--scopes", "send", "--rate", "2.5", "--daily", "50", "--expires", "90d")
	if err != nil || !strings.HasPrefix(key, "mms_test_") || strings.Count(key, "\n") != 1 {
		t.Fatalf("%q, %v", key, err)
	}
	list := func(args ...string) []shownKey {
		out, err := ctl(t, append([]string{"keys", "list", "--json"}, args...)...)
		var keys []shownKey
		if err := json.Unmarshal([]byte(out), &keys); err != nil {
			t.Fatal(err, out)
		}
		if err != nil || strings.Contains(out, strings.TrimSpace(key)) {
			t.Fatalf("%s, %v", out, err)
		}
		return keys
	}
	made := list()[0]
	ends := time.Until(*made.ExpiresAt)
	if made.Kind != "test" || made.Name != "till" || made.Scopes[0] != "send" || made.Rate != 2.5 || made.Daily != 50 || made.LastUsedAt != nil || ends < 2159*time.Hour {
		t.Errorf("%+v", made)
	}
	if len(list("--tenant", "other")) != 0 || len(list("--tenant", "shop")) != 1 {
		t.Error("--tenant does not filter")
	}
	if _, err := ctl(t, "keys", "update", made.ID, "--scopes", "read,send", "--expires", "never"); err != nil {
		t.Fatal(err)
	}
	if after := list()[0]; len(after.Scopes) != 2 || after.Rate != 2.5 || after.Name != "till" || after.ExpiresAt != nil {
		t.Errorf("%+v", after)
	}
	next, err := ctl(t, "keys", "rotate", made.ID, "--overlap", "7d")
	if err != nil || next == key || len(list()) != 2 {
		t.Fatalf("%q, %v", next, err)
	}
	if _, err := ctl(t, "keys", "revoke", made.ID); err != nil {
		t.Fatal(err)
	}
	table, err := ctl(t, "keys", "list")
	if err != nil || !strings.Contains(table, made.ID) || !strings.Contains(table, "REVOKED") {
		t.Errorf("%s, %v", table, err)
	}
	for _, args := range [][]string{
		{"revoke", made.ID}, {"update", made.ID, "--scopes", "all"}, {"rotate", "key_0", "--overlap", "x"}, {"create", "shop", "--expires", "-1h"},
	} {
		if out, err := ctl(t, append([]string{"keys"}, args...)...); err == nil || out != "" {
			t.Errorf("%v: %q, %v", args, out, err)
		}
	}
}
