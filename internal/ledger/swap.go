package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// replicateIn is how long begins wait for their replicas: shorter than a
// command may take, so that the answer is not lost.
const replicateIn = 300 * time.Millisecond

// swap makes some compare-and-sets in one round trip. A begin counts only once
// the replicas have it that must; too few are an error like a lost reply: the
// call is not made, though its begin may be written down.
func (l *Ledger) swap(ctx context.Context, some []swap) []answered[swapReply] {
	return l.swapWith(ctx, func(redis.Pipeliner) {}, some)
}

// swapWith is swap with further writes before it, which can be repeated.
func (l *Ledger) swapWith(ctx context.Context, before func(redis.Pipeliner), some []swap) []answered[swapReply] {
	replicas := 0
	for _, s := range some {
		if s.lease.Worker != "" {
			replicas = l.opts.MinReplicas()
			break
		}
	}
	node, err := l.writer(ctx, some[0], replicas)
	if err != nil {
		return failed[swapReply](len(some), unavailable("write messages", err))
	}
	answers, err := l.swapOn(ctx, node, before, some, replicas)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		if err := l.put.Load(ctx, node).Err(); err != nil {
			return failed[swapReply](len(some), unavailable("load script", err))
		}
		answers, err = l.swapOn(ctx, node, before, some, replicas)
	}
	if err != nil {
		return failed[swapReply](len(some), unavailable("write messages", err))
	}
	return answers
}

// swapOn sends the scripts, and WAIT behind them over the same connection:
// it knows only of what its own connection has written. The error is that of
// all, and NOSCRIPT of any: nothing was written then that does not know its own
// operation again.
func (l *Ledger) swapOn(
	ctx context.Context, node redis.UniversalClient, before func(redis.Pipeliner), some []swap, replicas int,
) ([]answered[swapReply], error) {
	pipe := node.Pipeline()
	before(pipe)
	first := pipe.Len()
	calls := make([]*redis.Cmd, len(some))
	for i, s := range some {
		keys, args := l.swapCall(s)
		calls[i] = l.put.EvalSha(ctx, pipe, keys, args...)
	}
	var wait *redis.Cmd
	if replicas > 0 {
		wait = pipe.Do(ctx, "WAIT", replicas, replicateIn.Milliseconds())
	}
	sent, _ := pipe.Exec(ctx) // each command has its own error
	for _, cmd := range sent[:min(first, len(sent))] {
		if err := cmd.Err(); err != nil {
			return nil, fmt.Errorf("write before: %w", err)
		}
	}
	replicated := error(nil)
	if wait != nil {
		replicated = enough(wait, replicas)
	}
	answers := make([]answered[swapReply], len(some))
	for i, call := range calls {
		raw, err := call.Slice()
		if redis.HasErrorPrefix(err, "NOSCRIPT") {
			return nil, fmt.Errorf("run script: %w", err)
		}
		if err == nil && some[i].lease.Worker != "" {
			err = replicated
		}
		if err != nil {
			answers[i].err = unavailable("write message", err)
			continue
		}
		answers[i].answer, answers[i].err = parseSwap(raw)
	}
	return answers, nil
}

// enough reads how many replicas have what was written.
func enough(wait *redis.Cmd, want int) error {
	have, err := wait.Int()
	switch {
	case err != nil:
		return fmt.Errorf("count replicas: %w", err)
	case have < want:
		return errNotReplicated
	default:
		return nil
	}
}

// writer is the server that writes a message: WAIT has no key by which the
// client of a cluster could send it there.
func (l *Ledger) writer(ctx context.Context, s swap, replicas int) (redis.UniversalClient, error) {
	cluster, ok := l.rdb.(*redis.ClusterClient)
	if !ok || replicas == 0 {
		return l.rdb, nil
	}
	node, err := cluster.MasterForKey(ctx, l.recordKey(s.message.ID))
	if err != nil {
		return nil, fmt.Errorf("primary of a key: %w", err)
	}
	return node, nil
}
