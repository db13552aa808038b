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
	// The rest is for their further changes, for receipts and for opt-outs.
	acceptedShare = 85
	// memoryEvery is the interval of the readings of Redis' memory.
	memoryEvery = 200 * time.Millisecond
)

// memory is a reading of Redis' memory. Redis counts the bytes that all processes
// accept after the reading, so that the next reading may come late.
type memory struct {
	limit    int64 // bytes up to which messages are accepted; 0: no limit
	used     int64
	accepted int64 // total of the bytes accepted until the reading
	tenant   int64 // bytes that a tenant may use; 0: no limit
}

// room is the number of bytes that can still be accepted when accepted is the
// current total of accepted bytes.
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

// WatchMemory reads Redis' memory until ctx ends. A ledger without it accepts
// messages until Redis refuses them.
func (l *Ledger) WatchMemory(ctx context.Context) {
	ticker := time.NewTicker(memoryEvery)
	defer ticker.Stop()
	for {
		_ = l.ReadMemory(ctx) // the last reading stays valid: Redis counts the bytes accepted since
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
	accepted := pipe.Get(ctx, l.key("accepted")) // before the memory: bytes accepted in between count twice
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

// memoryNode is the server that stores the records.
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
