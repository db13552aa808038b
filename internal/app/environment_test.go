package app

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"mmsdispatch/internal/config"
)

// A process says at its start that it has read a .env file, which someone may have
// left in its directory, and that variables win over it.
func TestDotEnvFileIsNamedAtStart(t *testing.T) {
	t.Chdir(t.TempDir())
	cfg, err := config.Load(config.Dev, devEnviron(map[string]string{}, miniredis.RunT(t).Addr(), "mms_live_0123456789ABCDEFGHIJKLMNOP"))
	if err != nil {
		t.Fatal(err)
	}
	started := func() string {
		t.Helper()
		var out bytes.Buffer
		env, err := newEnvironment(cfg, &out, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := env.rdb.Close(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if out := started(); strings.Contains(out, ".env") {
		t.Errorf("without a file: %s", out)
	}
	if err := os.WriteFile(".env", []byte("SINCH_RATE=5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := started(); !strings.Contains(out, "file=.env") || !strings.Contains(out, "variables of the environment override it") {
		t.Errorf("with a file: %s", out)
	}
}
