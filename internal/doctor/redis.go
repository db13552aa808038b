package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/redisconn"
)

const (
	// oldestRedis has the flags of scripts that sending relies on when memory
	// is full.
	oldestRedis = 7
	// fullFrom and tightFrom are shares of maxmemory: from the first no message is
	// accepted, from the second an operator should act.
	fullFrom, tightFrom = 0.85, 0.70

	redisFix = "docs/deployment.md lists what Redis needs"
)

// redis checks the Redis of the messages.
func (e *examination) redis(ctx context.Context, n *findings) {
	if !e.needs(n, "REDIS_URL") {
		return
	}
	opts, err := redisconn.Parse(e.cfg.Store.RedisURL.Reveal())
	if err != nil {
		n.fail("REDIS_URL is not usable: "+scrubbed(err), "docs/configuration.md shows its forms")
		return
	}
	opts.ClientName = "mmsdispatch-doctor"
	rdb := redisconn.New(opts)
	health, err := redisconn.Inspect(ctx, rdb)
	if err != nil {
		_ = rdb.Close() // its error is reported below
		n.fail(opts.String()+" does not answer: "+scrubbed(err), "start it, or put REDIS_URL right")
		return
	}
	e.rdb, e.health = rdb, health
	judgeVersion(n, opts, health)
	for _, warning := range health.Warnings {
		n.warn(warning, redisFix)
	}
	judgeMemory(n, health)
	judgeSettings(ctx, n, opts.Mode(), rdb)
	judgeRights(ctx, n, rdb)
	e.writable(ctx, n)
}

func judgeVersion(n *findings, opts redisconn.Options, health redisconn.Health) {
	text := opts.String() + " answers"
	if health.Version != "" {
		text += ", version " + health.Version
	}
	major, _, _ := strings.Cut(health.Version, ".")
	if number, err := strconv.Atoi(major); err == nil && number < oldestRedis {
		n.fail(text, "version 7.0 or newer is needed")
		return
	}
	n.ok(text)
	if health.Policy == "noeviction" && health.AOF {
		n.ok("it writes an append-only file and never evicts")
	}
}

func judgeMemory(n *findings, health redisconn.Health) {
	if health.UsedMemory == 0 {
		return // not reported
	}
	if health.MaxMemory == 0 {
		n.warn(size(health.UsedMemory)+" of memory are used, without a limit: "+
			"when the machine's memory is full Redis is killed, instead of messages being refused",
			"set maxmemory below what the machine has")
		return
	}
	share := float64(health.UsedMemory) / float64(health.MaxMemory)
	text := fmt.Sprintf("%.0f %% of %s of memory are used", 100*share, size(health.MaxMemory))
	switch {
	case share >= fullFrom:
		n.fail(text+": nothing is accepted any more", "raise maxmemory, shorten RECORD_TTL, or let more workers send what waits")
	case share >= tightFrom:
		n.warn(text, "raise maxmemory, or shorten RECORD_TTL; from 85 % on nothing is accepted")
	default:
		n.ok(text)
	}
}

// judgeSettings checks the settings that limit the loss by a crash or a failover.
func judgeSettings(ctx context.Context, n *findings, mode redisconn.Mode, rdb redis.UniversalClient) {
	if slices.Contains(redisconn.Settings(ctx, rdb, "appendfsync"), "no") {
		n.warn("the operating system decides when the append-only file reaches the disk (appendfsync no): "+
			"half a minute of accepted messages can be lost", "set appendfsync everysec, or always")
	}
	if mode == redisconn.ModeSingle {
		return
	}
	replicas := redisconn.Settings(ctx, rdb, "min-replicas-to-write")
	fix := "set min-replicas-to-write 1 on every server that can become a primary"
	switch {
	case len(replicas) == 0:
		n.warn("min-replicas-to-write cannot be read: at 0 a failover can lose accepted messages", fix)
	case slices.Contains(replicas, "0"):
		n.warn("a primary accepts writes without a replica (min-replicas-to-write 0): a failover can lose accepted messages", fix)
	default:
		n.ok("no write is accepted without a replica (min-replicas-to-write " + slices.Min(replicas) + ")")
	}
}

// judgeRights checks the rights of the user of REDIS_URL.
func judgeRights(ctx context.Context, n *findings, rdb redis.UniversalClient) {
	rights, err := redisconn.CheckRights(ctx, rdb)
	if err != nil {
		n.warn("its rights cannot be checked: "+scrubbed(err), redisFix)
		return
	}
	for _, warning := range rights.Warnings {
		n.warn(warning, redisFix)
	}
	if err := rights.Err(); err != nil {
		n.fail(scrubbed(err), "run that command as an administrator of Redis; "+redisFix)
	}
}

// writable tries a write.
func (e *examination) writable(ctx context.Context, n *findings) {
	err := e.tryWrite(ctx)
	if err != nil {
		n.fail("it refuses writes: "+scrubbed(err), "see its error message; docs/runbook.md, Redis")
		return
	}
	n.ok("it accepts writes")
}

func (e *examination) tryWrite(ctx context.Context) error {
	keys, err := encryption.New(encryption.Collect(e.cfg.Store.RecordKeys.All()), nil)
	if err != nil {
		return err
	}
	l, err := ledger.New(e.rdb, ledger.Options{RecordTTL: e.cfg.Store.RecordTTL, Keys: keys})
	if err != nil {
		return err
	}
	return l.Writable(ctx)
}

// The differences between clocks that are worth a word, and that break things:
// deadlines are recorded by Redis' clock and enforced by the worker's.
const (
	skewNoted  = time.Second
	skewHarmed = 5 * time.Second
	// skewAlert is that of the alert MMSClockSkew.
	skewAlert = 10 * time.Second
)

// clock compares this machine's clock with that of Redis.
func (e *examination) clock(ctx context.Context, n *findings) {
	if e.rdb == nil {
		n.warn(notChecked, redisFirst)
		return
	}
	before := e.Now()
	there, err := e.rdb.Time(ctx).Result()
	took := e.Now().Sub(before)
	if err != nil {
		n.warn("Redis' time cannot be read: "+scrubbed(err), "")
		return
	}
	e.ahead = there.Sub(before.Add(took / 2))
	judgeSkew(n, e.ahead)
	e.processClocks(ctx, n)
}

// processClocks compares the clock of each living process with that of Redis.
func (e *examination) processClocks(ctx context.Context, n *findings) {
	skews, err := redisconn.Skews(ctx, e.rdb)
	if err != nil {
		n.warn("the clocks of the processes cannot be read: "+scrubbed(err), redisFirst)
		return
	}
	for _, process := range slices.Sorted(maps.Keys(skews)) {
		skew := skews[process]
		judgeProcess(n, fmt.Sprintf("the clock of %s is %.3f s %s Redis'", process, skew.Abs().Seconds(), direction(skew)), skew)
	}
}

func judgeProcess(n *findings, text string, skew time.Duration) {
	if skew.Abs() > skewAlert {
		n.warn(text, keepTime)
		return
	}
	n.ok(text)
}

// direction is the direction of a clock that is ahead by a time.
func direction(ahead time.Duration) string {
	if ahead < 0 {
		return "behind"
	}
	return "ahead of"
}

const keepTime = "have both machines keep time (chrony, systemd-timesyncd)"

func judgeSkew(n *findings, ahead time.Duration) {
	text := fmt.Sprintf("Redis' clock is %.3f s %s this machine's", ahead.Abs().Seconds(), direction(ahead))
	switch {
	case ahead.Abs() > skewHarmed:
		n.fail(text, keepTime)
	case ahead.Abs() > skewNoted:
		n.warn(text, keepTime)
	default:
		n.ok(text)
	}
}

const (
	notChecked = "not checked"
	redisFirst = "Redis has to answer first"
)
