package throttle

import (
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed" // the scripts
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// DefaultPause is the time without requests after an account error.
	DefaultPause = 30 * time.Second
	// DefaultLease bounds a probe before another may replace it.
	DefaultLease = 35 * time.Second
	// DefaultAnswers is the number of account errors that fail a message, when after
	// each but the last another message passed. A higher number is more certain, and
	// pauses the whole account more often for one message.
	DefaultAnswers = 2

	// headStartShare and maxHeadStart set the time after the pause in which suspects
	// leave the probe to messages that were never refused.
	headStartShare = 2
	minHeadStart   = time.Millisecond
	maxHeadStart   = 5 * time.Second

	// Other messages ask again after this part of the pause whether the probe has
	// ended.
	recheckShare = 4
	minRecheck   = 20 * time.Millisecond
	maxRecheck   = time.Second

	// suspectTTL is the time suspects are kept after the last account error: a
	// message may wait that long for its next try.
	suspectTTL = 24 * time.Hour
	// openFresh is the time for which a process relies on its last reading of an
	// open gate without suspects: about as long as a request that is under way
	// anyway.
	openFresh = 50 * time.Millisecond

	// blamedRefusals is the number of consecutive refusals of a blamed tenant, with
	// no message passing between them, that pauses the account for all tenants.
	blamedRefusals = 30
	// passEvery is the interval at which a process reports passes that only confirm
	// that the account works.
	passEvery = 100 * time.Millisecond

	accountKeyBytes = 8
)

//go:embed lua/acquire.lua
var acquireSource string

//go:embed lua/report.lua
var reportSource string

// GateOptions configure a Gate. Zero values mean the defaults.
type GateOptions struct {
	// Account names the account that pauses; any text, of which a hash is stored.
	Account string
	// Pause is the time without requests after an account error (SINCH_PAUSE).
	Pause time.Duration
	// Lease bounds a probe: more than a task may take (TASK_TIMEOUT).
	Lease time.Duration
	// Answers is the number of account errors that fail a message when only that
	// message gets them; at least 2.
	Answers int
	// MaxWait bounds the wait of Acquire.
	MaxWait time.Duration
	// Prefix begins the keys.
	Prefix string
}

func (o GateOptions) withDefaults() GateOptions {
	o.Pause = cmp.Or(o.Pause, DefaultPause)
	o.Lease = cmp.Or(o.Lease, DefaultLease)
	o.MaxWait = cmp.Or(o.MaxWait, DefaultMaxWait)
	o.Answers = max(o.Answers, DefaultAnswers)
	o.Prefix = cmp.Or(o.Prefix, DefaultPrefix)
	return o
}

// Gate lets requests to one account begin, or delays them. It is safe for
// concurrent use, and shared by all processes that name the same account.
//
// The first account error closes it for Pause. Then one message at a time is let
// through as the probe: if it passes, the gate opens; if it gets an account error
// too, the gate closes for another Pause. A probe that does not report loses its
// place after Lease. Refused messages are suspects and come after the others, so
// that each probe is another message.
//
// A message itself is the cause when it alone was refused (no other was, up to
// the next pass), another passed next, and then it was refused again. When
// several are refused in one pause the account is the cause, and the refusals
// count against none of them.
//
// When messages of one tenant are refused while those of another pass, that
// tenant is the cause: its further messages wait alone, and the gate stays open.
// After a false alarm the first probe comes at once, without a pause before it.
type Gate struct {
	rdb     redis.UniversalClient
	opts    GateOptions
	account string
	keys    []string
	acquire *redis.Script
	report  *redis.Script
	fresh   freshness
	passed  atomic.Int64 // time of the last reported pass, in Unix nanoseconds
}

// freshness caches the reading of an open gate for a moment.
type freshness struct {
	mu      sync.Mutex
	seen    time.Time
	version int // raised by evict, so that an older reading is not cached
}

// GatePermit allows one message; exactly one of Gate's Passed, Refused and
// Release ends it.
type GatePermit struct {
	// Probe is true when this message probes whether the account works again.
	Probe bool

	message string
	tenant  string
	suspect bool
	watched bool // there are suspects: the pass has to be reported
}

// Verdict is the consequence of an account error.
type Verdict struct {
	// Alone is true when this message is the cause, not the account: others pass. It
	// has failed, and no other message waits because of it.
	Alone bool
	// RetryIn is the time until a message that is not alone should be tried again.
	RetryIn time.Duration
	// Paused is true when the response began a pause.
	Paused bool
}

// NewGate returns a Gate on rdb.
func NewGate(rdb redis.UniversalClient, opts GateOptions) *Gate {
	opts = opts.withDefaults()
	sum := sha256.Sum256([]byte(opts.Account))
	account := hex.EncodeToString(sum[:accountKeyBytes])
	key := opts.Prefix + "gate:" + account
	return &Gate{
		rdb:     rdb,
		opts:    opts,
		account: account,
		keys:    []string{key, key + ":suspects", key + ":evidence", pausesKey(opts.Prefix)},
		acquire: redis.NewScript(acquireSource),
		report:  redis.NewScript(reportSource),
	}
}

// Acquire returns a permit, a *DeniedError with CauseAccount or, when Redis
// failed, CauseUnavailable, or ctx's error, wrapped. At a closed gate it waits up
// to MaxWait for it to open.
//
// message names a message, and a new one after each replay.
func (g *Gate) Acquire(ctx context.Context, message, tenant string) (GatePermit, error) {
	if g.fresh.isOpen() {
		return GatePermit{message: message, tenant: tenant}, nil
	}
	permit, denied, err := g.try(ctx, message, tenant)
	if err != nil {
		return GatePermit{}, err
	}
	wait := g.stagger(permit)
	if denied != nil {
		wait += denied.RetryIn
	}
	if wait == 0 {
		return permit, nil
	}
	if err := sleep(ctx, min(wait, g.opts.MaxWait)); err != nil {
		return GatePermit{}, err
	}
	permit, denied, err = g.try(ctx, message, tenant)
	if err != nil {
		return GatePermit{}, err
	}
	if denied != nil {
		return GatePermit{}, denied
	}
	return permit, nil
}

// Confirm reports whether a permit is still valid after a wait, such as that for
// the pace. It queries Redis only after a wait of more than openFresh, does not
// wait itself, and its errors are those of Acquire.
func (g *Gate) Confirm(ctx context.Context, p GatePermit) error {
	if p.Probe || g.fresh.isOpen() {
		return nil
	}
	pause, err := g.Paused(ctx)
	if err != nil {
		return err
	}
	if pause != nil {
		return &DeniedError{
			Cause: CauseAccount, RetryIn: g.recheckAfter(), SinchCode: pause.SinchCode, ProbeAt: pause.nextProbe(time.Now()),
		}
	}
	return nil
}

// stagger lets suspects through at different times. Two suspects that are refused
// together again and again, each of them a cause itself, would otherwise look
// like an account error for ever.
func (g *Gate) stagger(p GatePermit) time.Duration {
	if !p.suspect || p.Probe {
		return 0
	}
	return rand.N(g.headStart()) //nolint:gosec // spreading load needs no secret randomness
}

// try runs the script once. With a *DeniedError the permit only names the
// message.
func (g *Gate) try(ctx context.Context, message, tenant string) (GatePermit, *DeniedError, error) {
	version := g.fresh.current()
	var reply struct {
		state, wait, suspect, quiet, probeAt int64
		code                                 string
	}
	values, err := g.acquire.Run(ctx, g.rdb, g.keys[:2], message, tenant,
		g.opts.Lease.Milliseconds(), g.headStart().Milliseconds(), g.recheckAfter().Milliseconds()).Slice()
	if err == nil {
		err = scan(values, &reply.state, &reply.wait, &reply.suspect, &reply.quiet, &reply.probeAt, &reply.code)
	}
	if err != nil {
		return GatePermit{}, nil, unavailable(ctx, err)
	}
	const open, probe = 0, 1
	permit := GatePermit{
		Probe: reply.state == probe, message: message, tenant: tenant, suspect: reply.suspect == 1, watched: reply.quiet == 0,
	}
	switch {
	case reply.state == open && reply.quiet == 1:
		g.fresh.put(version)
	case reply.state != open && reply.state != probe:
		return permit, &DeniedError{
			Cause: CauseAccount, RetryIn: time.Duration(max(reply.wait, 1)) * time.Millisecond,
			SinchCode: reply.code, ProbeAt: fromMillis(reply.probeAt),
		}, nil
	}
	return permit, nil, nil
}

// scan stores the values of a script's reply.
func scan(values []any, into ...any) error {
	if len(values) != len(into) {
		return fmt.Errorf("script returned %d values, want %d", len(values), len(into))
	}
	for i, value := range values {
		switch target := into[i].(type) {
		case *int64:
			*target, _ = value.(int64)
		case *string:
			*target, _ = value.(string)
		}
	}
	return nil
}

// Passed reports that the account works: Sinch accepted the message, or refused
// it for a reason of the message itself. ended is true when that ended a pause.
func (g *Gate) Passed(ctx context.Context, p GatePermit) (ended bool, err error) {
	if !p.Probe && !p.suspect && (!p.watched || !g.passDue()) {
		return false, nil // no message waits for this report
	}
	reply, err := g.run(ctx, p, "passed", "")
	return err == nil && reply.change < 0, err
}

// passDue reports whether passEvery has elapsed since this process reported a
// pass.
func (g *Gate) passDue() bool {
	last, now := g.passed.Load(), time.Now().UnixNano()
	return now-last > int64(passEvery) && g.passed.CompareAndSwap(last, now)
}

// Release reports that the request showed nothing about the account: it was not
// made, or its outcome is unknown. Another message becomes the probe.
func (g *Gate) Release(ctx context.Context, p GatePermit) error {
	if !p.Probe {
		return nil
	}
	_, err := g.run(ctx, p, "released", "")
	return err
}

// Refused reports an account error with Sinch's code, if it gave one, and returns
// its consequence.
func (g *Gate) Refused(ctx context.Context, p GatePermit, sinchCode string) (Verdict, error) {
	g.fresh.evict()
	reply, err := g.run(ctx, p, "account", sinchCode)
	if err != nil {
		return Verdict{}, err
	}
	return Verdict{Alone: reply.alone == 1, RetryIn: time.Duration(reply.wait) * time.Millisecond, Paused: reply.change > 0}, nil
}

type gateReply struct{ alone, wait, change int64 }

func (g *Gate) run(ctx context.Context, p GatePermit, outcome, sinchCode string) (gateReply, error) {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	values, err := g.report.Run(ctx, g.rdb, g.keys, p.message, p.tenant, outcome, sinchCode, g.account,
		g.opts.Pause.Milliseconds(), g.headStart().Milliseconds(), suspectTTL.Milliseconds(), g.opts.Answers, blamedRefusals,
	).Slice()
	var reply gateReply
	if err == nil {
		err = scan(values, &reply.alone, &reply.wait, &reply.change)
	}
	if err != nil {
		return gateReply{}, unavailable(ctx, err)
	}
	return reply, nil
}

// Paused returns the current pause, also while it is probed, or nil.
func (g *Gate) Paused(ctx context.Context) (*Pause, error) {
	value, err := g.rdb.HGet(ctx, g.keys[3], g.account).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil //nolint:nilnil // no pause is no error
	}
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	return parsePause(value), nil
}

// RemoveStale removes the pauses of accounts that are no longer configured: no
// message would probe them.
func (g *Gate) RemoveStale(ctx context.Context) error {
	pauses, err := g.rdb.HGetAll(ctx, g.keys[3]).Result()
	if err != nil {
		return unavailable(ctx, err)
	}
	accounts := slices.DeleteFunc(slices.Collect(maps.Keys(pauses)), func(account string) bool { return account == g.account })
	if len(accounts) == 0 {
		return nil
	}
	if err := g.rdb.HDel(ctx, g.keys[3], accounts...).Err(); err != nil {
		return unavailable(ctx, err)
	}
	return nil
}

func (g *Gate) headStart() time.Duration {
	return min(max(g.opts.Pause/headStartShare, minHeadStart), maxHeadStart)
}

func (g *Gate) recheckAfter() time.Duration {
	return min(max(g.opts.Pause/recheckShare, minRecheck), maxRecheck)
}

func (f *freshness) isOpen() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.seen.IsZero() && time.Since(f.seen) < openFresh
}

func (f *freshness) current() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.version
}

func (f *freshness) put(version int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.version == version {
		f.seen = time.Now()
	}
}

func (f *freshness) evict() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = time.Time{}
	f.version++
}
