package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	sentinelConf = "sentinel.conf"
	lastSlot     = 16383
	infoTimeout  = 20 * time.Second

	// Sentinel's defaults are 30 s and 3 min, too long for tests.
	sentinelDownAfter       = 500 * time.Millisecond
	sentinelFailoverTimeout = 2 * time.Second
)

// StartReplicaOf runs a replica of primary and waits until it is in sync.
func StartReplicaOf(tb testing.TB, primary *Server, opts ...Option) *Server {
	tb.Helper()
	host, port := hostPort(tb, primary)
	replica := Start(tb, append([]Option{
		WithPassword(primary.inst.conf.password),
		WithArgs("--replicaof", host+" "+port),
	}, opts...)...)
	awaitInfo(tb, replica, "replication", "master_link_status:up")
	return replica
}

// StartSentinel runs a sentinel that watches primary under the given name and
// waits until it has seen it. Several sentinels of one name find each other
// through the primary; quorum is how many must agree that it is down.
func StartSentinel(tb testing.TB, name string, primary *Server, quorum int) *Server {
	tb.Helper()
	host, port := hostPort(tb, primary)
	dir := tb.TempDir()
	lines := []string{
		fmt.Sprintf("sentinel monitor %s %s %s %d", name, host, port, quorum),
		fmt.Sprintf("sentinel down-after-milliseconds %s %d", name, sentinelDownAfter.Milliseconds()),
		fmt.Sprintf("sentinel failover-timeout %s %d", name, sentinelFailoverTimeout.Milliseconds()),
	}
	if password := primary.inst.conf.password; password != "" {
		lines = append(lines, fmt.Sprintf("sentinel auth-pass %s %s", name, password))
	}
	conf := strings.Join(lines, "\n") + "\n"
	// Sentinel keeps its state in this file.
	if err := os.WriteFile(filepath.Join(dir, sentinelConf), []byte(conf), 0o600); err != nil {
		tb.Fatalf("redistest: write sentinel.conf: %v", err)
	}
	sentinel := startIn(tb, dir, settings{sentinel: true})
	awaitInfo(tb, sentinel, "sentinel", "name="+name+",status=ok")
	return sentinel
}

// StartCluster runs a Redis Cluster of one node with every slot: enough to check that a
// command's keys share a slot and that a client supports a cluster.
func StartCluster(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	node := Start(tb, append([]Option{WithArgs("--cluster-enabled", "yes")}, opts...)...)
	if err := node.Client(tb).ClusterAddSlotsRange(tb.Context(), 0, lastSlot).Err(); err != nil {
		tb.Fatalf("redistest: give slots: %v", err)
	}
	eventually(tb, "cluster_state:ok", func(ctx context.Context, client *redis.Client) (string, error) {
		return client.ClusterInfo(ctx).Result()
	}, node.Client(tb))
	return node
}

func hostPort(tb testing.TB, s *Server) (host, port string) {
	tb.Helper()
	host, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	return host, port
}

// awaitInfo waits until the server's INFO section contains want.
func awaitInfo(tb testing.TB, s *Server, section, want string) {
	tb.Helper()
	eventually(tb, want, func(ctx context.Context, client *redis.Client) (string, error) {
		return client.Info(ctx, section).Result()
	}, s.Client(tb))
}

func eventually(
	tb testing.TB, want string, read func(context.Context, *redis.Client) (string, error), client *redis.Client,
) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), infoTimeout)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		got, err := read(ctx, client)
		if err == nil && strings.Contains(got, want) {
			return
		}
		select {
		case <-ctx.Done():
			tb.Fatalf("redistest: waited in vain for %q: %v\n%s", want, err, got)
		case <-ticker.C:
		}
	}
}
