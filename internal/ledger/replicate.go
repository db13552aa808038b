package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// replicateIn is how long a begin waits for its replicas: shorter than a
// command may take, so that the answer is not lost.
const replicateIn = 300 * time.Millisecond

// runReplicated runs the script of a begin and waits until the replicas have
// what it wrote. Too few replicas are an error like a lost reply: the call is
// not made, though its begin may be written down.
func (l *Ledger) runReplicated(ctx context.Context, _ redis.Scripter, keys []string, args ...any) *redis.Cmd {
	written, err := l.putAndWait(ctx, keys, args)
	if err != nil {
		written = redis.NewCmd(ctx)
		written.SetErr(err)
	}
	return written
}

func (l *Ledger) putAndWait(ctx context.Context, keys []string, args []any) (*redis.Cmd, error) {
	node, err := l.primaryOf(ctx, keys[0])
	if err != nil {
		return nil, err
	}
	written, err := l.putThenWait(ctx, node, keys, args)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		if err := l.put.Load(ctx, node).Err(); err != nil {
			return nil, fmt.Errorf("load script: %w", err)
		}
		written, err = l.putThenWait(ctx, node, keys, args)
	}
	return written, err
}

// putThenWait sends both over one connection, since WAIT knows only of what its
// own connection has written.
func (l *Ledger) putThenWait(ctx context.Context, node redis.UniversalClient, keys []string, args []any) (*redis.Cmd, error) {
	want := l.opts.MinReplicas()
	pipe := node.Pipeline()
	written := l.put.EvalSha(ctx, pipe, keys, args...)
	replicas := pipe.Do(ctx, "WAIT", want, replicateIn.Milliseconds())
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("write to replicas: %w", err)
	}
	have, err := replicas.Int()
	if err != nil {
		return nil, fmt.Errorf("count replicas: %w", err)
	}
	if have < want {
		return nil, errNotReplicated
	}
	return written, nil
}

// primaryOf is the server that writes a key: WAIT has no key by which the
// client of a cluster could send it there.
func (l *Ledger) primaryOf(ctx context.Context, key string) (redis.UniversalClient, error) {
	cluster, ok := l.rdb.(*redis.ClusterClient)
	if !ok {
		return l.rdb, nil
	}
	node, err := cluster.MasterForKey(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("primary of a key: %w", err)
	}
	return node, nil
}
