package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/batcher"
	"mmsdispatch/internal/message"
)

// replicateIn bounds the wait for replicas. It is shorter than the timeout of a
// command, so that the reply arrives within it.
const replicateIn = 300 * time.Millisecond

type swapReply struct {
	verdict string
	now     time.Time
	record  string
	epoch   int64
	begins  int64
}

// begun converts the script's verdict on a step.
func (r swapReply) begun(s swap) (Begun, error) {
	switch r.verdict {
	case "ok":
		after := Snapshot{Message: s.message, version: s.version + 1, record: s.value, sealed: s.sealed, now: r.now, read: time.Now()}
		return Begun{Message: s.message, After: after, Now: r.now, Begins: r.begins, Epoch: r.epoch}, nil
	case "conflict":
		return Begun{}, errConflict
	case "rollback":
		return Begun{}, ErrRollback
	case string(message.StatusCanceled):
		return Begun{}, ErrCanceled
	case "suppressed":
		return Begun{}, ErrSuppressed
	default:
		return Begun{}, ErrNotFound
	}
}

// swap is one step of the compare-and-set.
type swap struct {
	read      []byte // head of the record that is expected
	version   int64  // of that record
	operation string
	value     []byte
	sealed    sealed           // in value
	message   *message.Message // the message in value
	before    message.Status
	final     time.Time // FinalAt of the record that is expected
	updated   time.Time // of the record that is expected
	named     bool      // the step sets Sinch's id
	called    bool      // the step adds an attempt
	lease     Lease     // of a begin
	cleared   bool
}

// swap makes compare-and-sets in one round trip. A begin succeeds only when enough
// replicas have it; too few are an error like a missing reply: no request is made,
// though the begin may be recorded.
func (l *Ledger) swap(ctx context.Context, swaps []swap) []batcher.Result[swapReply] {
	return l.swapWith(ctx, func(redis.Pipeliner) {}, swaps)
}

// swapWith is swap with further writes before it, which must be idempotent.
func (l *Ledger) swapWith(ctx context.Context, before func(redis.Pipeliner), swaps []swap) []batcher.Result[swapReply] {
	replicas := 0
	for _, s := range swaps {
		if s.lease.Worker != "" {
			replicas = l.opts.MinReplicas()
			break
		}
	}
	node, err := l.writer(ctx, swaps[0], replicas)
	if err != nil {
		return batcher.Failed[swapReply](len(swaps), unavailable("write messages", err))
	}
	answers, err := l.swapOn(ctx, node, before, swaps, replicas)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		if err := l.put.Load(ctx, node).Err(); err != nil {
			return batcher.Failed[swapReply](len(swaps), unavailable("load script", err))
		}
		answers, err = l.swapOn(ctx, node, before, swaps, replicas)
	}
	if err != nil {
		return batcher.Failed[swapReply](len(swaps), unavailable("write messages", err))
	}
	for i, s := range swaps {
		if answers[i].Value.verdict == "ok" && s.before != s.message.Status { // also a begin that too few replicas have
			l.opts.Moved(s.before, s.message.Status)
			l.opts.Changed(s.before, s.message, s.message.UpdatedAt.Sub(dueSince(s.message)))
		}
	}
	return answers
}

// swapOn sends the scripts, and WAIT behind them over the same connection, since
// WAIT covers only the writes of its own connection. It returns an error when no
// script ran, or NOSCRIPT when one did not: the caller can repeat all of them then,
// as each script recognises its own operation.
func (l *Ledger) swapOn(
	ctx context.Context, node redis.UniversalClient, before func(redis.Pipeliner), swaps []swap, replicas int,
) ([]batcher.Result[swapReply], error) {
	pipe := node.Pipeline()
	before(pipe)
	first := pipe.Len()
	groups := swapGroups(swaps)
	calls := make([]*redis.Cmd, len(groups))
	for i, group := range groups {
		keys, args := l.swapCall(group)
		calls[i] = l.put.EvalSha(ctx, pipe, keys, args...)
	}
	l.indexSinchIDs(ctx, pipe, swaps)
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
		replicated = checkReplicas(wait, replicas)
	}
	answers := make([]batcher.Result[swapReply], 0, len(swaps))
	for i, call := range calls {
		raw, err := call.Slice()
		if redis.HasErrorPrefix(err, "NOSCRIPT") {
			return nil, fmt.Errorf("run script: %w", err)
		}
		answers = append(answers, groups[i].answers(raw, err, replicated)...)
	}
	return answers, nil
}

// swapGroup holds the compare-and-sets of one call of the script. All begins among
// them are of one worker.
type swapGroup struct {
	lease Lease // the highest counts of their leases
	swaps []swap
}

// swapGroups divides compare-and-sets, in their order, among calls of the script.
func swapGroups(swaps []swap) []swapGroup {
	var groups []swapGroup
	for _, s := range swaps {
		if n := len(groups); n == 0 || len(groups[n-1].swaps) == groupMax || !groups[n-1].sameWorker(s) {
			groups = append(groups, swapGroup{})
		}
		groups[len(groups)-1].add(s)
	}
	return groups
}

func (g *swapGroup) sameWorker(s swap) bool {
	return s.lease.Worker == "" || g.lease.Worker == "" || s.lease.Worker == g.lease.Worker
}

func (g *swapGroup) add(s swap) {
	g.swaps = append(g.swaps, s)
	if s.lease.Worker == "" {
		return
	}
	g.lease = Lease{
		Worker: s.lease.Worker, Begins: max(g.lease.Begins, s.lease.Begins), Epoch: max(g.lease.Epoch, s.lease.Epoch),
	}
}

// answers parses the reply to a group. A begin that is not replicated fails.
func (g *swapGroup) answers(raw []any, err, replicated error) []batcher.Result[swapReply] {
	var replies []swapReply
	if err == nil {
		replies, err = parseSwaps(raw, len(g.swaps))
	}
	if err != nil {
		return batcher.Failed[swapReply](len(g.swaps), unavailable("write messages", err))
	}
	answers := make([]batcher.Result[swapReply], len(g.swaps))
	for i, s := range g.swaps {
		answers[i].Value = replies[i]
		if s.lease.Worker != "" && replicated != nil {
			answers[i].Err = unavailable("write message", replicated)
		}
	}
	return answers
}

// checkReplicas returns errNotReplicated when fewer than want replicas have the
// writes.
func checkReplicas(wait *redis.Cmd, want int) error {
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

// swapCall builds the keys and arguments of the script.
func (l *Ledger) swapCall(g swapGroup) (keys []string, args []any) {
	p := positionsOf("put")
	keys = make([]string, 0, p.fixedKeys()+len(p.rowKeys)*len(g.swaps))
	keys, fixed := extend(keys, p.fixedKeys())
	fixed[putCalls], fixed[putUnknown] = l.key(string(Calls)), l.key(string(Unknown))
	fixed[putCounts], fixed[putBegins] = l.key("counts"), l.key("begins")
	fixed[putChangedLog], fixed[putChangedCallbacks] = l.changedKey(ConsumerLog), l.changedKey(ConsumerCallbacks)
	fixed[putChangedBatches], fixed[putContent] = l.key("changed:batches"), l.key(string(Content))
	fixed[putUsages] = l.usagesKey()
	copy(fixed[putWaiting:], l.waitingKeys())
	args = make([]any, 0, len(p.args)+len(p.rowArgs)*len(g.swaps))
	args, first := extend(args, len(p.args))
	first[putWorker], first[putKnownBegins], first[putKnownEpoch] = g.lease.Worker, g.lease.Begins, g.lease.Epoch
	first[putChannel], first[putBatchTTLInMS] = l.begunChannel(), l.opts.RecordTTL.Milliseconds()
	first[putUsageKept] = usageKept.Milliseconds()
	for _, s := range g.swaps {
		batch := s.message.BatchID
		var rowKeys []string
		keys, rowKeys = extend(keys, len(p.rowKeys))
		rowKeys[putRecord], rowKeys[putOptOuts] = l.recordKey(s.message.ID), l.optOutKey(s.message)
		rowKeys[putBatch], rowKeys[putMembers] = l.batchKey(batch), l.membersKey(batch)
		rowKeys[putUnknownOfScope], rowKeys[putTenant] = l.unknownKey(s.message.Scope), l.tenantKey(s.message.Scope)
		rowKeys[putUsage] = l.usageToday(s.message.Scope)
		var rowArgs []any
		args, rowArgs = extend(args, len(p.rowArgs))
		l.fillSwap(rowArgs, s)
	}
	return keys, args
}

// fillSwap fills in the arguments of one row.
func (l *Ledger) fillSwap(row []any, s swap) {
	m, before := s.message, s.before
	at := l.places(s)
	row[putHead], row[putOperation], row[putValue] = s.read, s.operation, s.value
	row[putTTL], row[putID], row[putLane] = l.ttl(m).Milliseconds(), m.ID.Packed(), laneIndex(m)
	row[putAtWaiting], row[putAtCalls], row[putAtUnknown] = at.waiting, at.calls, at.unknown
	row[putAtContent] = l.atContent(s)
	row[putCreated] = m.ID.Created().UnixMilli()
	row[putLower], row[putRaise] = "", ""
	if lower, raise := counter(before, m), counter(m.Status, m); lower != raise {
		row[putLower], row[putRaise] = lower, raise
	}
	row[putAttempt], row[putCall] = "", ""
	if a := m.Current(); a != nil && s.lease.Worker != "" {
		row[putAttempt], row[putCall] = a.N, a.Call
	}
	row[putFrom], row[putTo] = "", ""
	if m.BatchID != "" {
		row[putFrom], row[putTo] = string(before), string(m.Status)
	}
	row[putBatchStay] = batchStay(m.Scope, before, m.Status)
	row[putCancelable], row[putSuppressed] = flag(m.Replays == 0), flag(!s.cleared)
	row[putEvent] = usageEvent(before, m.Status)
	row[putConsumers] = string(l.opts.Consumers(m))
	row[putBytesFrom], row[putBytesTo] = l.bytesField(m.Scope, before, s.updated), l.bytesField(m.Scope, m.Status, m.UpdatedAt)
}

// parseSwaps reads the script's reply to n rows.
func parseSwaps(raw []any, n int) ([]swapReply, error) {
	const fields = 4
	if len(raw) != 1+fields*n {
		return nil, errRecord
	}
	now, timed := raw[0].(int64)
	replies := make([]swapReply, n)
	for i := range replies {
		row := raw[1+fields*i:]
		verdict, ok0 := row[0].(string)
		record, ok1 := row[1].(string)
		epoch, ok2 := row[2].(int64)
		begins, ok3 := row[3].(int64)
		if !timed || !ok0 || !ok1 || !ok2 || !ok3 {
			return nil, errRecord
		}
		replies[i] = swapReply{verdict: verdict, now: instant(now), record: record, epoch: epoch, begins: begins}
	}
	return replies, nil
}
