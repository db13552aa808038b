package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"mmsdispatch/internal/config"
)

// taken is an address that is in use.
func taken(t *testing.T) (addr, port string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String(), strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

// TestTakenAddress: the one line that ends the process names what to set.
func TestTakenAddress(t *testing.T) {
	t.Parallel()
	addr, port := taken(t)
	cfg, err := config.Load(config.Dev, map[string]string{
		"PORT": port, "ADMIN_ADDR": addr, "REDIS_URL": "redis://127.0.0.1:1", "LOG_LEVEL": "error",
	})
	if err != nil {
		t.Fatal(err)
	}
	env, err := newEnvironment(cfg, io.Discard, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = env.rdb.Close() })
	admin, err := env.admin(func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	for variable, c := range map[string]struct {
		parts []part
		want  string
	}{
		"PORT": {
			[]part{publicListener(env, http.NotFoundHandler(), func(error) {})},
			fmt.Sprintf("start public listener: PORT %s is in use by another process: stop that process, or set PORT to another value", port),
		},
		"ADMIN_ADDR": {
			admin,
			fmt.Sprintf("start admin listener: ADMIN_ADDR %s is in use by another process: stop that process, or set ADMIN_ADDR to another value", addr),
		},
	} {
		p := newProcess(env.log, time.Second)
		p.add(c.parts...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if err := p.run(ctx); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v", variable, err)
		}
		cancel()
	}
}
