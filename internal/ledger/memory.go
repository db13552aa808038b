package ledger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redisconn"
)

const (
	// acceptedShare is the percentage of maxmemory up to which messages are accepted.
	// The rest is for settling them, for receipts and for opt-outs.
	acceptedShare = 85
	// memoryEvery is how often Redis' memory is read.
	memoryEvery = 200 * time.Millisecond
)

// memory is Redis' memory as it was read. What is accepted after the reading is
// counted in Redis, by all processes, so that the next reading may come late.
type memory struct {
	limit    int64 // bytes up to which messages are accepted; 0: no limit is known
	used     int64
	accepted int64 // bytes that were ever accepted
	tenant   int64 // bytes that a tenant may use; 0: no limit
}

// room is how many bytes can be accepted, once so many were.
func (m *memory) room(accepted int64) int64 { return m.limit - m.used - max(0, accepted-m.accepted) }

// fill sets the arguments of accept.lua.
func (m *memory) fill(args []any) {
	args[acceptMemoryRoom], args[acceptMemoryRead], args[acceptTenantMemory] = "", "", ""
	if m.limit == 0 {
		return
	}
	args[acceptMemoryRoom], args[acceptMemoryRead] = m.limit-m.used, m.accepted
	if m.tenant > 0 {
		args[acceptTenantMemory] = m.tenant
	}
}

// WatchMemory reads Redis' memory until ctx ends. A ledger without it accepts as
// much as Redis takes.
func (l *Ledger) WatchMemory(ctx context.Context) {
	ticker := time.NewTicker(memoryEvery)
	defer ticker.Stop()
	for {
		_ = l.ReadMemory(ctx) // the last reading holds: what was accepted since is counted
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// ReadMemory reads Redis' memory once.
func (l *Ledger) ReadMemory(ctx context.Context) error {
	node, err := l.memoryNode(ctx)
	if err != nil {
		return unavailable("read memory", err)
	}
	pipe := node.Pipeline()
	accepted := pipe.Get(ctx, l.key("accepted")) // before the memory: what comes between counts twice
	info := pipe.Info(ctx, "memory")
	_, _ = pipe.Exec(ctx) // each command has its own error
	if err := info.Err(); err != nil {
		return unavailable("read memory", err)
	}
	if err := accepted.Err(); err != nil && !errors.Is(err, redis.Nil) {
		return unavailable("read memory", err)
	}
	fields := redisconn.ParseInfo(info.Val())
	limit, used := number(fields["maxmemory"])*acceptedShare/100, number(fields["used_memory"])
	l.memory.Store(&memory{
		limit: limit, used: used, accepted: number(accepted.Val()), tenant: limit * int64(l.opts.TenantMemory) / 100,
	})
	return nil
}

// memoryNode is the server that holds the records.
func (l *Ledger) memoryNode(ctx context.Context) (redis.UniversalClient, error) {
	cluster, ok := l.rdb.(*redis.ClusterClient)
	if !ok {
		return l.rdb, nil
	}
	node, err := cluster.MasterForKey(ctx, l.key("accepted"))
	if err != nil {
		return nil, fmt.Errorf("primary of a key: %w", err)
	}
	return node, nil
}

// number reads a number that may be absent.
func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}
