// Package redisconn turns REDIS_URL into a client that gives up on a frozen or
// dead Redis within 1.5 seconds, whichever topology the URL names, and looks
// at a server's settings for risks of losing messages.
package redisconn

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Timeouts that apply unless the URL says otherwise. A command makes two
// attempts and takes at most three times the longest of these, all in all;
// with go-redis' own defaults a Redis that does not answer costs five seconds.
const (
	DialTimeout  = 500 * time.Millisecond
	ReadTimeout  = 500 * time.Millisecond
	WriteTimeout = 500 * time.Millisecond
	// PoolTimeout is how long a command waits for a free connection.
	PoolTimeout = 300 * time.Millisecond

	defaultAddr     = "localhost:6379"
	maxRetries      = 1
	maxRetryBackoff = 50 * time.Millisecond
	dialerRetries   = 1 // the command's own retry dials again
	// RESP3 brings nothing that is used here, and costs every reply a look for
	// a push message before it.
	protocol = 2
	// A cluster client retries through redirects instead: a moved slot costs
	// one, which leaves one for a node that does not answer.
	maxRedirects = 2

	// spareConns are connections beyond Concurrency for what runs besides the
	// callers: heartbeats, sweepers, health checks.
	spareConns = 8
)

// Mode is how the Redis behind a URL is set up.
type Mode string

// The modes, one for each family of URL schemes.
const (
	ModeSingle   Mode = "single"   // redis://, rediss://
	ModeSentinel Mode = "sentinel" // redis-sentinel://, rediss-sentinel://
	ModeCluster  Mode = "cluster"  // redis-cluster://, rediss-cluster://
)

// Options says which Redis to use and how. Parse makes them; the exported
// fields are set afterwards. The zero value is redis://localhost:6379/0.
//
// Printing Options shows hosts only, never a user or password. They implement
// asynq.RedisConnOpt, so that asynq can make (and close) a client of its own.
type Options struct {
	// Concurrency is how many goroutines use the client at the same time; the
	// pool is sized for it. 0 leaves go-redis' default of 10 per CPU. A
	// pool_size in the URL wins.
	Concurrency int
	// Idle is how many connections are kept open while they are not used. 0 keeps
	// all; max_idle_conns in the URL wins.
	Idle int
	// ClientName is shown by CLIENT LIST. A client_name in the URL wins.
	ClientName string
	// OnConnect is called with every new connection before it is used; an
	// error discards the connection and fails the command that wanted it.
	OnConnect func(ctx context.Context, conn *redis.Conn) error

	url redis.UniversalOptions // what the URL says
}

// Mode says how the Redis is set up.
func (o Options) Mode() Mode {
	switch {
	case o.url.MasterName != "":
		return ModeSentinel
	case o.url.IsClusterMode:
		return ModeCluster
	default:
		return ModeSingle
	}
}

// String shows the mode and the addresses, without credentials.
func (o Options) String() string {
	return fmt.Sprintf("redis %s [%s]", o.Mode(), strings.Join(o.url.Addrs, " "))
}

// GoString keeps %#v from printing the password.
func (o Options) GoString() string { return "redisconn.Options(" + o.String() + ")" }

// New returns a client for o. It does not connect: a Redis that is down is
// found out by the first command. The caller closes it.
func New(o Options) redis.UniversalClient {
	opts := o.universal()
	client := redis.NewUniversalClient(opts)
	client.AddHook(pipelineErrorHook{})
	client.AddHook(deadlineHook{budget: budget(opts.DialTimeout, opts.ReadTimeout, opts.WriteTimeout)})
	return client
}

// MakeRedisClient implements asynq.RedisConnOpt. asynq closes the client it
// makes this way; one that is shared goes in through NewServerFromRedisClient
// and stays the caller's.
func (o Options) MakeRedisClient() any { return New(o) }

func (o Options) poolSize() int {
	if o.Concurrency <= 0 {
		return 0
	}
	return o.Concurrency + spareConns
}

// universal completes what the URL says.
func (o Options) universal() *redis.UniversalOptions {
	opts := o.url
	if len(opts.Addrs) == 0 {
		opts.Addrs = []string{defaultAddr}
	}
	opts.DialTimeout = cmp.Or(opts.DialTimeout, DialTimeout)
	opts.ReadTimeout = cmp.Or(opts.ReadTimeout, ReadTimeout)
	opts.WriteTimeout = cmp.Or(opts.WriteTimeout, WriteTimeout)
	opts.PoolTimeout = cmp.Or(opts.PoolTimeout, PoolTimeout)
	opts.PoolSize = cmp.Or(opts.PoolSize, o.poolSize())
	opts.MaxIdleConns = cmp.Or(opts.MaxIdleConns, o.Idle)
	if opts.IsClusterMode {
		opts.MaxRedirects = cmp.Or(opts.MaxRedirects, maxRedirects)
	} else {
		opts.MaxRetries = cmp.Or(opts.MaxRetries, maxRetries)
	}
	opts.MaxRetryBackoff = cmp.Or(opts.MaxRetryBackoff, maxRetryBackoff)
	opts.DialerRetries = cmp.Or(opts.DialerRetries, dialerRetries)
	opts.Protocol = cmp.Or(opts.Protocol, protocol)
	opts.ContextTimeoutEnabled = true
	opts.DisableIdentity = true
	opts.MaintNotificationsConfig = noMaintNotifications()
	opts.OnConnect = o.onConnect(cmp.Or(opts.ClientName, o.ClientName))
	opts.ClientName = ""
	return &opts
}

// onConnect names a connection, where Redis allows that, and calls OnConnect.
// go-redis itself would give up a connection that it cannot name.
func (o Options) onConnect(name string) func(context.Context, *redis.Conn) error {
	return func(ctx context.Context, conn *redis.Conn) error {
		if name != "" {
			if err := conn.ClientSetName(ctx, name).Err(); err != nil && !IsForbidden(err) {
				return fmt.Errorf("name connection: %w", err)
			}
		}
		if o.OnConnect == nil {
			return nil
		}
		return o.OnConnect(ctx, conn)
	}
}

// noMaintNotifications spares every new connection a command that only Redis
// Enterprise knows.
func noMaintNotifications() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}
