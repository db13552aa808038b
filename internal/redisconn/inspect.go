package redisconn

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// RoleMaster is the Role of a server that accepts writes.
const RoleMaster = "master"

const policyNoEviction = "noeviction"

// Health is what a Redis says about itself, as far as it decides whether
// messages are safe in it. Of a cluster it describes the fullest primary, with
// the warnings and run ids of all.
type Health struct {
	// RunID changes when the server restarts. In a cluster: the run ids of all
	// primaries, sorted and joined by commas.
	RunID string
	// Version is the server's, such as 7.0.15; empty when it is not reported.
	Version string
	// Role is RoleMaster, or slave for a replica.
	Role string
	// MaxMemory and UsedMemory are in bytes; MaxMemory is 0 without a limit.
	MaxMemory, UsedMemory uint64
	// Policy is the maxmemory-policy, empty when it is not reported.
	Policy string
	// MinReplicas is how many replicas must be there for a write to be taken
	// (min-replicas-to-write): also how many a begin waits for.
	MinReplicas int
	// AOF says that an append-only file is known to be written.
	AOF bool
	// Warnings are sentences for the log, /readyz and doctor; none when all is
	// as it should be.
	Warnings []string
}

// Inspect reads the server's settings: it reads INFO, and CONFIG for what
// INFO leaves out. What the server forbids stays unknown; CheckRights says so.
func Inspect(ctx context.Context, client redis.UniversalClient) (Health, error) {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return inspectNode(ctx, client)
	}
	var (
		mu    sync.Mutex
		nodes []Health
	)
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		h, err := inspectNode(ctx, node)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		nodes = append(nodes, h)
		return nil
	})
	if err != nil {
		return Health{}, fmt.Errorf("inspect redis cluster: %w", err)
	}
	return merge(nodes), nil
}

func merge(nodes []Health) Health {
	if len(nodes) == 0 {
		return Health{}
	}
	worst := slices.MaxFunc(nodes, func(a, b Health) int { return cmp.Compare(a.fullness(), b.fullness()) })
	var runIDs, warnings []string
	for _, h := range nodes {
		runIDs = append(runIDs, h.RunID)
		warnings = append(warnings, h.Warnings...)
		worst.AOF = worst.AOF && h.AOF
		worst.MinReplicas = max(worst.MinReplicas, h.MinReplicas)
	}
	slices.Sort(runIDs)
	slices.Sort(warnings)
	worst.RunID = strings.Join(runIDs, ",")
	worst.Warnings = slices.Compact(warnings)
	return worst
}

func (h Health) fullness() float64 {
	if h.MaxMemory == 0 {
		return 0
	}
	return float64(h.UsedMemory) / float64(h.MaxMemory)
}

// node is what the checks need of a client.
type node interface {
	Info(ctx context.Context, sections ...string) *redis.StringCmd
	ConfigGet(ctx context.Context, parameter string) *redis.MapStringStringCmd
}

func inspectNode(ctx context.Context, client node) (Health, error) {
	text, err := client.Info(ctx).Result()
	if err != nil && !IsForbidden(err) {
		return Health{}, fmt.Errorf("inspect redis: %w", err)
	}
	info := ParseInfo(text)
	h := Health{
		RunID:      info["run_id"],
		Version:    info["redis_version"],
		Role:       info["role"],
		MaxMemory:  number(info["maxmemory"]),
		UsedMemory: number(info["used_memory"]),
		Policy:     info["maxmemory_policy"],
	}
	if h.Policy == "" {
		h.Policy = config(ctx, client, "maxmemory-policy")
	}
	aof := info["aof_enabled"]
	if aof == "" {
		aof = config(ctx, client, "appendonly")
	}
	h.MinReplicas = int(number(config(ctx, client, "min-replicas-to-write"))) //nolint:gosec // a count of servers
	h.AOF = aof == "1" || aof == "yes"
	h.Warnings = warnings(h, aof != "", info["aof_last_write_status"])
	return h, nil
}

func warnings(h Health, aofKnown bool, lastWrite string) []string {
	var out []string
	if h.Policy != "" && h.Policy != policyNoEviction {
		out = append(out, fmt.Sprintf("redis evicts keys when it is full (maxmemory-policy %s): "+
			"accepted messages can be lost; set maxmemory-policy noeviction", h.Policy))
	}
	switch {
	case !aofKnown:
		out = append(out, "redis does not report whether it writes an append-only file: "+
			"without one accepted messages are lost when it restarts")
	case !h.AOF:
		out = append(out, "redis writes no append-only file: "+
			"accepted messages are lost when it restarts; set appendonly yes")
	case lastWrite == "err":
		out = append(out, "redis could not write its append-only file: it refuses writes until the disk has room")
	}
	if h.Role != "" && h.Role != RoleMaster {
		out = append(out, "redis is a replica and refuses writes: point REDIS_URL at the primary")
	}
	return out
}

// config returns "" when the server forbids CONFIG or does not know it.
func config(ctx context.Context, client node, name string) string {
	values, err := client.ConfigGet(ctx, name).Result()
	if err != nil {
		return ""
	}
	return values[name]
}

// Settings reads a setting of CONFIG: one value, or in a cluster one of each
// primary. It is empty when the server forbids CONFIG or does not know it.
func Settings(ctx context.Context, client redis.UniversalClient, name string) []string {
	var (
		mu     sync.Mutex
		values []string
	)
	read := func(ctx context.Context, client node) {
		value := config(ctx, client, name)
		mu.Lock()
		defer mu.Unlock()
		if value != "" {
			values = append(values, value)
		}
	}
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		read(ctx, client)
		return values
	}
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		read(ctx, node)
		return nil
	})
	if err != nil {
		return nil
	}
	return values
}

// ParseInfo reads an answer to INFO: the fields of all its sections by name.
func ParseInfo(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			out[name] = value
		}
	}
	return out
}

func number(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0 // absent: no limit is known
	}
	return n
}
