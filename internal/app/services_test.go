package app

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"mmsdispatch/internal/admin"
	"mmsdispatch/internal/apikey"
	"mmsdispatch/internal/background"
	"mmsdispatch/internal/background/backgroundtest"
	"mmsdispatch/internal/config"
)

// newTestEnvironment is that of the development mode, with listeners on free
// ports.
func newTestEnvironment(t *testing.T) (*environment, *miniredis.Miniredis) {
	t.Helper()
	embedded := miniredis.RunT(t)
	cfg, err := config.Load(config.Dev, devEnviron(map[string]string{}, embedded.Addr(), "mms_live_0123456789ABCDEFGHIJKLMNOP"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.API.Port = 0
	env, err := newEnvironment(cfg, io.Discard, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.rdb.Close(); err != nil {
			t.Errorf("close redis: %v", err)
		}
	})
	return env, embedded
}

// TestPartsAreServices tests each kind of part that runs on goroutines; the
// worker has a test of its own in package jobs.
func TestPartsAreServices(t *testing.T) { //nolint:tparallel // the parts share what they watch
	t.Parallel()
	env, embedded := newTestEnvironment(t)
	store := apikey.NewStore(env.rdb)
	verifier, err := apikey.NewVerifier(bootstrapped(env.cfg), store)
	if err != nil {
		t.Fatal(err)
	}
	unused := func(err error) {
		if !errors.Is(err, errNoKeys) { // none is stored
			t.Errorf("failed: %v", err)
		}
	}
	for _, newPart := range []func() part{ //nolint:paralleltest // the same
		env.watch.part,
		env.clockPart,
		env.numberKey,
		env.pauseWatch,
		env.readiness,
		func() part { return newSimulator(env).part() },
		func() part { return passingTime(embedded) },
		func() part { return followKeys(verifier, env.rdb) },
		func() part { return keyCheck(store, unused) },
		func() part { return publicListener(env, http.NotFoundHandler(), unused) },
		func() part {
			return env.adminListener(admin.New(admin.Options{
				Addr: "127.0.0.1:0", Log: env.log, Metrics: env.metrics.Registry, Ready: env.ready, Failed: unused,
			}))
		},
	} {
		t.Run(newPart().name, func(t *testing.T) {
			backgroundtest.Check(t, func(*testing.T) background.Service { return newPart() })
		})
	}
}
