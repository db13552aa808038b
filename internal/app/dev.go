package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/alicebob/miniredis/v2"

	"mmsdispatch/internal/background"
	"mmsdispatch/internal/config"
	"mmsdispatch/internal/sinch"
)

// The embedded Redis does not expire keys by itself; its time is advanced this
// often. Each advance checks every key, which must not take more than a part of
// the time.
const (
	devTick      = time.Second
	devTickShare = 20
)

// Dev runs everything in one process: api, worker, simulator and an embedded
// Redis. All state is lost when it ends.
func Dev(ctx context.Context, out io.Writer) error {
	environ, err := config.OSEnviron()
	if err != nil {
		return fmt.Errorf("environment: %w", err)
	}
	embedded := miniredis.NewMiniRedis()
	if err := embedded.Start(); err != nil {
		return fmt.Errorf("embedded redis: %w", err)
	}
	defer embedded.Close()
	key := "mms_live_" + rand.Text()
	cfg, err := config.Load(config.Dev, devEnviron(environ, embedded.Addr(), key))
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	p, err := newDev(cfg, embedded, out, func() { banner(out, cfg, key) })
	if err != nil {
		return err
	}
	return p.run(ctx)
}

// devEnviron adds the variables that this mode sets: its own Redis, no request
// that leaves the machine, no long-term log, and a new key at each start.
func devEnviron(environ map[string]string, redisAddr, key string) map[string]string {
	environ = maps.Clone(environ)
	environ["REDIS_URL"] = "redis://" + redisAddr + "/0"
	environ["DATABASE_URL"] = "" // a long-term log of messages that are not kept would be of no use
	environ["SINCH_API"] = string(sinch.APISimulator)
	if environ["LOG_LEVEL"] == "" {
		environ["LOG_LEVEL"] = "info"
	}
	keys := "dev:" + key
	if listed := environ["API_KEYS"]; listed != "" {
		keys += "," + listed
	}
	environ["API_KEYS"] = keys
	return environ
}

// newDev builds the process with all components.
func newDev(cfg *config.Config, embedded *miniredis.Miniredis, out io.Writer, ready func()) (*process, error) {
	env, err := newEnvironment(cfg, out, connsPerSlot*cfg.Worker.Concurrency+apiConns)
	if err != nil {
		return nil, err
	}
	p := newProcess(env.log, cfg.Worker.ShutdownTimeout)
	p.panicked = env.panicked()
	p.add(env.exports())
	p.add(closer("redis", env.log, env.rdb.Close), passingTime(embedded), env.scopesPart(), env.numberKey())
	adminParts, err := env.admin(p.fail)
	if err != nil {
		return nil, err
	}
	sending, err := sendingParts(env)
	if err != nil {
		return nil, err
	}
	serving, err := servingParts(env, p.fail)
	if err != nil {
		return nil, err
	}
	p.add(adminParts...)
	p.add(callbackParts(env)...)
	p.add(replayRunner(env))
	p.add(sending...)
	p.add(serving...)
	p.add(env.readiness(), part{name: "banner", Service: background.New(
		func(context.Context) error { ready(); return nil },
		func(context.Context) {},
	)})
	return p, nil
}

// passingTime expires the keys of the embedded Redis.
func passingTime(embedded *miniredis.Miniredis) part {
	return part{name: "time of the embedded redis", Service: background.Loop(func(ctx context.Context) {
		timer := time.NewTimer(devTick)
		defer timer.Stop()
		for last := time.Now(); ; {
			select {
			case <-ctx.Done():
				return
			case now := <-timer.C:
				embedded.FastForward(now.Sub(last))
				last = now
				timer.Reset(max(devTick, devTickShare*time.Since(now)))
			}
		}
	})}
}

// banner prints the URLs, the key and a sample command.
func banner(out io.Writer, cfg *config.Config, key string) {
	api := fmt.Sprintf("http://127.0.0.1:%d", cfg.API.Port)
	fmt.Fprintf(out, `
  MMS dispatcher, development mode: everything in one process, and NOTHING IS KEPT when it ends.

  API          %[1]s        try it: %[1]s/docs
  console      http://%[2]s/console/
  queues       http://%[2]s/queues/
  metrics      http://%[2]s/metrics
  dev API key  %[3]s
  long-term log  none: this mode uses no PostgreSQL

  Send a message (calls go to the built-in simulator, not to Sinch):

    curl -s -X POST %[1]s/v1/messages -H 'Authorization: Bearer %[3]s' \
      -H 'Content-Type: application/json' \
      -d '{"to":"+12065551212","text":"Hello","mediaUrl":"https://example.com/picture.jpg","clientReference":"order-1"}'

  See what became of it:

    curl -s '%[1]s/v1/messages?clientReference=order-1' -H 'Authorization: Bearer %[3]s'

`, api, cfg.Admin.Addr, key)
}
