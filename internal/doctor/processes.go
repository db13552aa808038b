package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hibiken/asynq"

	"mmsdispatch/internal/apikey"
	"mmsdispatch/internal/config"
	"mmsdispatch/internal/throttle"
)

// keys checks whether there is an API key.
func (e *examination) keys(ctx context.Context, n *findings) {
	if !e.runs(config.API) || !e.needs(n, "API_KEYS") {
		return
	}
	if listed := len(e.cfg.API.Keys.List()); listed > 0 {
		n.ok(strconv.Itoa(listed) + " in API_KEYS")
		return
	}
	if e.rdb == nil {
		n.warn("API_KEYS is empty, and stored keys were "+notChecked, redisFirst)
		return
	}
	stored, err := apikey.NewStore(e.rdb).Any(ctx)
	switch {
	case err != nil:
		n.warn("stored keys cannot be read: "+scrubbed(err), redisFirst)
	case !stored:
		n.fail("there is no API key: the api will not run", "mmsctl keys create TENANT, or set API_KEYS")
	default:
		n.ok("there are stored keys")
	}
}

// workers counts the living workers by the heartbeats of their queue servers: a
// process has several.
func (e *examination) workers(ctx context.Context, n *findings) {
	if e.rdb == nil {
		n.warn(notChecked, redisFirst)
		return
	}
	servers, err := asynq.NewInspectorFromRedisClient(e.rdb).Servers()
	if err != nil {
		n.warn("heartbeats cannot be read: "+scrubbed(err), "")
		return
	}
	type process struct {
		host string
		pid  int
	}
	alive := make(map[process]bool)
	slots := 0
	for _, server := range servers {
		host, _, _ := strings.Cut(server.Host, "/") // its lanes follow
		alive[process{host, server.PID}] = true
		slots += server.Concurrency
	}
	if len(alive) == 0 {
		n.warn("no worker is alive: what is accepted waits", "start one; docs/deployment.md")
		return
	}
	if err := throttle.CheckConfiguredRates(ctx, e.rdb, "", time.Now()); err != nil {
		n.warn(scrubbed(err), "set the same SINCH_RATE for all workers, or one pace with mmsctl rate")
	}
	n.ok(fmt.Sprintf("%d alive, which make up to %d calls at once", len(alive), slots))
}
