package ledger

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/batcher"
	"mmsdispatch/internal/message"
)

// Request is a message to accept.
type Request struct {
	Scope   message.Scope
	Content message.Content
	From    string
	Now     time.Time
	Held    message.Held // by quiet hours
	Closed  bool         // only a message that is already recorded under the reference is returned
	Quota   Quota
	Trace   message.Trace
}

// Accepted is the result of accepting a message.
type Accepted struct {
	Message    *message.Message
	Duplicate  bool // it was recorded before, with the same content
	Suppressed bool // the recipient may have opted out; see ErrSuppressed
}

// Accept records a message, once per reference. With a known reference it
// returns the first message when the content is the same and ErrReused when it
// is not. On ErrUnavailable the message may have been accepted.
func (l *Ledger) Accept(ctx context.Context, r Request) (Accepted, error) {
	shard, err := l.shards.of(ctx, r.Scope, r.Content.Priority)
	if err != nil {
		return Accepted{}, err
	}
	var accepted Accepted
	err = l.secret.use(ctx, func(secret *message.Secret) error {
		m := message.New(newID(secret, r), r.Scope, r.Content, r.From, r.Now)
		m.Shard = shard
		m.AcceptHeld(r.Held, r.Now)
		m.Trace = r.Trace
		answer, err := do(ctx, l.commits, commit{secret: secret.Value(), message: m, closed: r.Closed, quota: r.Quota})
		if err != nil {
			return err
		}
		accepted, err = l.outcome(m, answer)
		return err
	})
	return accepted, err
}

func newID(secret *message.Secret, r Request) message.ID {
	identity := message.RandomIdentity()
	if ref := r.Content.ClientReference; ref != "" {
		identity = secret.Reference(r.Scope, ref)
	}
	return message.NewID(identity, r.Now)
}

// outcome reads the script's answer for a message: a verdict, or the record of
// the message that has its reference.
func (l *Ledger) outcome(m *message.Message, answer string) (Accepted, error) {
	switch answer {
	case "ok":
		return Accepted{Message: m}, nil
	case "suppressed":
		return Accepted{Message: m, Suppressed: true}, nil
	case "full":
		return Accepted{}, ErrFull
	case "share":
		return Accepted{}, ErrTenantFull
	case "quota":
		return Accepted{}, ErrQuota
	case string(message.StatusCanceled):
		return Accepted{}, ErrCanceled
	}
	r, err := l.codec.decode([]byte(answer))
	if err != nil {
		return Accepted{}, err
	}
	known := r.message
	if known.Scope != m.Scope || known.Content.ClientReference != m.Content.ClientReference || !known.Repeats(m.Content) {
		return Accepted{}, ErrReused
	}
	return Accepted{Message: known, Duplicate: true}, nil
}

// group holds the messages of one call of the script: all of one scope, and of one
// batch or none.
type group struct {
	secret string
	batch  message.BatchID
	quota  Quota
	rows   []groupRow
}

type groupRow struct {
	message *message.Message
	closed  bool
}

// groupMax is the largest number of rows in one call of the script, which then
// blocks Redis for about half a millisecond.
const groupMax = 50

// acceptGroups runs the script for several groups in one round trip. Each group
// has an answer for each of its rows, or a *secretError or ErrUnavailable: the
// groups succeed and fail independently.
func (l *Ledger) acceptGroups(ctx context.Context, groups []group) []batcher.Result[[]string] {
	calls := make([]*redis.Cmd, len(groups))
	pipe := l.rdb.Pipeline()
	for i, g := range groups {
		keys, args := l.groupCall(g)
		calls[i] = l.accept.EvalSha(ctx, pipe, keys, args...)
	}
	_, _ = pipe.Exec(ctx) // each call has its own error
	l.repeatUnknown(ctx, calls)
	answers := make([]batcher.Result[[]string], len(groups))
	for i, call := range calls {
		answers[i].Value, answers[i].Err = groupAnswer(call)
		for row, verdict := range answers[i].Value {
			if verdict == "ok" || verdict == "suppressed" {
				l.opts.Moved("", groups[i].rows[row].message.Status)
				l.opts.Changed("", groups[i].rows[row].message, 0)
			}
		}
	}
	return answers
}

// repeatUnknown repeats the calls that failed because Redis had not loaded the
// script. The other calls have run: their rows must not be written twice.
func (l *Ledger) repeatUnknown(ctx context.Context, calls []*redis.Cmd) {
	var unknown []int
	for i, call := range calls {
		if redis.HasErrorPrefix(call.Err(), "NOSCRIPT") {
			unknown = append(unknown, i)
		}
	}
	if len(unknown) == 0 {
		return
	}
	if err := l.accept.Load(ctx, l.rdb).Err(); err != nil {
		for _, i := range unknown {
			calls[i].SetErr(err)
		}
		return
	}
	pipe := l.rdb.Pipeline()
	for _, i := range unknown {
		calls[i] = pipe.Do(ctx, calls[i].Args()...)
	}
	_, _ = pipe.Exec(ctx)
}

// groupAnswer reads the script's answer for a group.
func groupAnswer(call *redis.Cmd) ([]string, error) {
	answer, err := call.StringSlice()
	switch {
	case err != nil:
		return nil, unavailable("accept messages", err)
	case answer[0] == "secret":
		return nil, &secretError{secret: answer[1]}
	case answer[0] == "gone":
		return nil, unavailable("accept messages", errBatchGone)
	default:
		return answer, nil
	}
}

// groupCall builds the keys and arguments of the script.
func (l *Ledger) groupCall(g group) (keys []string, args []any) {
	p := positionsOf("accept")
	keys = make([]string, 0, p.fixedKeys()+len(p.rowKeys)*len(g.rows))
	keys, fixed := extend(keys, p.fixedKeys())
	fixed[acceptSecret], fixed[acceptCounts] = l.key("secret"), l.key("counts")
	scope := g.rows[0].message.Scope
	fixed[acceptRecent], fixed[acceptTenant], fixed[acceptMemory] = l.recentKey(scope), l.tenantKey(scope), l.key("accepted")
	fixed[acceptBatch], fixed[acceptMembers] = l.batchKey(g.batch), l.membersKey(g.batch)
	fixed[acceptChangedLog], fixed[acceptChangedCallbacks] = l.changedKey(ConsumerLog), l.changedKey(ConsumerCallbacks)
	copy(fixed[acceptWaiting:], l.waitingKeys())
	args = make([]any, 0, len(p.args)+len(p.rowArgs)*len(g.rows))
	args, first := extend(args, len(p.args))
	first[acceptSecretValue], first[acceptRecentKept] = g.secret, recentKept
	first[acceptLaneLimit], first[acceptHasBatch] = l.opts.LaneLimit, flag(g.batch != "")
	first[acceptTenantLimit], first[acceptPeriod] = l.opts.TenantLimit, l.period().Milliseconds()
	fixed[acceptQuota], fixed[acceptUsage], fixed[acceptUsages] = l.quotaKey(g.quota), l.usageToday(scope), l.usagesKey()
	first[acceptDaily], first[acceptHold], first[acceptUsageKept] = g.quota.Daily, g.quota.Hold, usageKept.Milliseconds()
	l.memory.Load().fill(first)
	operation := newOperation()
	for i, row := range g.rows {
		m := row.message
		var rowKeys []string
		keys, rowKeys = extend(keys, len(p.rowKeys))
		rowKeys[acceptRecord], rowKeys[acceptOptOuts] = l.recordKey(m.ID), l.optOutKey(m)
		var rowArgs []any
		args, rowArgs = extend(args, len(p.rowArgs))
		// Each row has its own operation, so that a row that repeats another is not mistaken for our own write.
		rowArgs[acceptValue] = encode(head{version: 1, operation: operation + strconv.Itoa(i)}, m, l.codec.seal(m))
		rowArgs[acceptID], rowArgs[acceptStatus], rowArgs[acceptCounter] = m.ID.Packed(), string(m.Status), lane(m)
		rowArgs[acceptLane], rowArgs[acceptClosed], rowArgs[acceptDue] = laneIndex(m), flag(row.closed), ""
		rowArgs[acceptConsumers] = string(l.opts.Consumers(m))
		if m.Status == message.StatusScheduled {
			rowArgs[acceptDue] = dueSince(m).UnixMilli()
		}
	}
	return keys, args
}

func flag(set bool) string {
	if set {
		return "1"
	}
	return ""
}

// batchKey and membersKey return a key also for no batch: the script needs one.
func (l *Ledger) batchKey(id message.BatchID) string {
	if id == "" {
		return l.key("batch")
	}
	return l.key("batch:" + id.Identity())
}

func (l *Ledger) membersKey(id message.BatchID) string { return l.batchKey(id) + ":members" }
