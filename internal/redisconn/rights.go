package redisconn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// The keys and channels of the service, as patterns of an access control list.
const (
	ownPattern   = "mms:*"
	asynqPattern = "asynq:*"
)

// required are the commands that accepting, sending and measuring run, directly,
// in scripts and through asynq. KEY stands for a key, and the rest of a line makes
// the command complete enough for Redis to check the right to it.
//
//nolint:dupword // commands, not prose
const required = `
append KEY v
del KEY
eval return 0
evalsha 0 0
exists KEY
expire KEY 1
expireat KEY 1
get KEY
getrange KEY 0 0
hdel KEY f
hexists KEY f
hget KEY f
hgetall KEY
hincrby KEY f 1
hlen KEY
hmget KEY f
hset KEY f v
hsetnx KEY f v
incr KEY
incrby KEY 1
llen KEY
lpop KEY
lpush KEY v
lrange KEY 0 0
lrem KEY 0 v
ltrim KEY 0 0
mget KEY
persist KEY
pexpire KEY 1
pexpireat KEY 1
ping
pttl KEY
publish mms:{m}:begun:0 v
rpop KEY
rpoplpush KEY KEY
rpush KEY v
sadd KEY v
script load return
set KEY v
setex KEY 1 v
sismember KEY v
smembers KEY
srem KEY v
subscribe mms:{m}:begun:0
time
unwatch
wait 0 1
watch KEY
xadd KEY * f v
xdel KEY 1-1
xrange KEY - +
xread STREAMS KEY 0
xrevrange KEY + -
zadd KEY 1 v
zcard KEY
zcount KEY 0 0
zmscore KEY v
zrange KEY 0 0
zrangebyscore KEY 0 0
zrem KEY v
zremrangebyrank KEY 0 0
zremrangebyscore KEY 0 0
zrevrange KEY 0 0
zscore KEY v`

// usedKeys and usedChannels are one of each kind.
func usedKeys() map[string][]string {
	return map[string][]string{
		ownPattern:   {KeyPrefix + "probe"},
		asynqPattern: {"asynq:{bulk}:pending", "asynq:queues", "asynq:servers", "asynq:workers"},
	}
}

func usedChannels() map[string][]string {
	return map[string][]string{
		ownPattern:   {KeyPrefix + "begun:0", KeyPrefix + "tasks:0"},
		asynqPattern: {"asynq:cancel"},
	}
}

// grant is the rule that allows a command.
func grant(command []string) string {
	switch command[0] {
	case "config", "client", "memory", "script":
		return "+" + command[0] + "|" + command[1]
	default:
		return "+" + command[0]
	}
}

// optional are the commands that a managed Redis may forbid, with what is missing
// without them.
func optional() map[string]string {
	return map[string]string{
		"scan 0": "DELETE /v1/messages?to= and, without DATABASE_URL, POST /v1/replays answer 503; " +
			"old opt-outs are encrypted when they are read",
		"info":                               "its memory, role and append-only file are not known",
		"config get maxmemory":               "its setting min-replicas-to-write is not known, and taken as 0",
		"client setname name":                "connections have no name in CLIENT LIST",
		"memory usage " + KeyPrefix + "peek": "the memory of the queues is missing in metrics, and shown as 0 in the queue pages",
	}
}

// Rights is what the user of a connection may do.
type Rights struct {
	// Missing are the rules of ACL SETUSER that the user lacks: +command, ~keys
	// and &channels.
	Missing []string
	// Unknown are needed commands that the server does not have: they were renamed
	// or switched off.
	Unknown []string
	// Warnings are sentences about what is missing without commands that the
	// service can do without.
	Warnings []string

	user string
}

// ErrRights says that the user of REDIS_URL may not do all that is needed, or
// that the server cannot.
var ErrRights = errors.New("redis does not allow what is needed")

// Err is nil when nothing needed is missing. Otherwise it wraps ErrRights and
// names what is missing and how to allow it.
func (r *Rights) Err() error {
	var causes []string
	if len(r.Unknown) > 0 {
		causes = append(causes, "the server does not know "+strings.ToUpper(strings.Join(r.Unknown, ", "))+": remove the rename-command")
	}
	if len(r.Missing) > 0 {
		causes = append(causes, fmt.Sprintf("its user %s lacks rights: ACL SETUSER %s %s", r.user, r.user, strings.Join(r.Missing, " ")))
	}
	if len(causes) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrRights, strings.Join(causes, "; "))
}

// CheckRights checks at a server, of a cluster at every primary, the right to every
// command, key and channel that is used. Nothing is run: Redis checks the rights
// to a command when it queues it for a transaction, and this one is never
// executed. The error is that of a Redis that does not answer.
func CheckRights(ctx context.Context, client redis.UniversalClient) (Rights, error) {
	switch client := client.(type) {
	case *redis.Client:
		return checkNode(ctx, client)
	case *redis.ClusterClient:
		var (
			mu  sync.Mutex
			all Rights
		)
		err := client.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			rights, err := checkNode(ctx, node)
			mu.Lock()
			defer mu.Unlock()
			all.merge(rights)
			return err
		})
		if err != nil {
			return Rights{}, fmt.Errorf("check rights: %w", err)
		}
		return all, nil
	default:
		return Rights{}, nil
	}
}

func (r *Rights) merge(other Rights) {
	union := func(a, b []string) []string { return slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b)))) }
	r.user = other.user
	r.Missing = union(r.Missing, other.Missing)
	r.Unknown = union(r.Unknown, other.Unknown)
	r.Warnings = union(r.Warnings, other.Warnings)
}

// probe is a command whose right is checked.
type probe struct {
	command []string
	pattern string // of the key or channel that it is about
	without string // what is missing without an optional command
	answer  *redis.Cmd
}

// checkNode uses a connection of its own, which is closed with the transaction
// still open.
func checkNode(ctx context.Context, client *redis.Client) (Rights, error) {
	opts := *client.Options()
	opts.PoolSize, opts.MinIdleConns, opts.MaxRetries, opts.OnConnect = 1, 0, -1, nil
	own := redis.NewClient(&opts)
	defer func() { _ = own.Close() }() // it was for this check only
	r := Rights{user: opts.Username}
	if r.user == "" {
		r.user = "default"
	}
	for _, name := range []string{"exec", "multi"} { // EXEC first, since it fails outside of a transaction
		if err := r.judge(probe{command: []string{name}}, own.Do(ctx, name).Err()); err != nil || slices.Contains(r.Missing, "+multi") {
			return r, err
		}
	}
	// A pipeline goes over one connection, so that nothing in this one is run
	// outside of the transaction, now that MULTI is known to be allowed.
	probes := allProbes()
	pipe := own.Pipeline()
	pipe.Do(ctx, "multi")
	for i, p := range probes {
		args := make([]any, len(p.command))
		for j, arg := range p.command {
			args[j] = arg
		}
		probes[i].answer = pipe.Do(ctx, args...)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	for _, p := range probes {
		if err := r.judge(p, p.answer.Err()); err != nil {
			return Rights{}, fmt.Errorf("check rights: %w", err)
		}
	}
	r.merge(r)
	return r, nil
}

func allProbes() []probe {
	var probes []probe
	for line := range strings.Lines(strings.TrimSpace(required)) {
		probes = append(probes, probe{command: strings.Fields(strings.ReplaceAll(line, "KEY", KeyPrefix+"probe")), pattern: ownPattern})
	}
	for pattern, keys := range usedKeys() {
		for _, key := range keys {
			probes = append(probes,
				probe{command: []string{"exists", key}, pattern: pattern}, probe{command: []string{"del", key}, pattern: pattern})
		}
	}
	for pattern, channels := range usedChannels() {
		for _, channel := range channels {
			probes = append(probes,
				probe{command: []string{"publish", channel, "v"}, pattern: pattern},
				probe{command: []string{"subscribe", channel}, pattern: pattern})
		}
	}
	for command, without := range optional() {
		probes = append(probes, probe{command: strings.Fields(command), without: without})
	}
	return probes
}

// judge notes what the answer to a probe says about rights, and returns an error
// that says nothing about them.
func (r *Rights) judge(p probe, err error) error {
	name := p.command[0]
	switch {
	case err == nil:
	case IsForbidden(err) && p.without != "":
		r.Warnings = append(r.Warnings, fmt.Sprintf("redis forbids %s: %s", strings.ToUpper(name), p.without))
	case isUnknown(err):
		r.Unknown = append(r.Unknown, name)
	case !IsForbidden(err):
		if _, answered := errors.AsType[redis.Error](err); answered {
			return nil // it checked the right and could not queue the command now
		}
		return err
	case strings.Contains(err.Error(), "channel"):
		r.Missing = append(r.Missing, "&"+p.pattern)
	case strings.Contains(err.Error(), "key"):
		r.Missing = append(r.Missing, "~"+p.pattern)
	default:
		r.Missing = append(r.Missing, grant(p.command))
	}
	return nil
}

// IsForbidden reports whether Redis refused a command because the user has no
// right to it, or because the server does not have it.
func IsForbidden(err error) bool {
	const refusedExec = "EXECABORT Transaction discarded because of: NOPERM"
	return err != nil && (redis.HasErrorPrefix(err, "NOPERM") || redis.HasErrorPrefix(err, refusedExec) || isUnknown(err))
}

func isUnknown(err error) bool {
	return err != nil && (redis.HasErrorPrefix(err, "unknown command") || redis.HasErrorPrefix(err, "unknown subcommand"))
}
