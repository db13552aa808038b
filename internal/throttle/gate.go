package throttle

import (
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed" // the scripts
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// DefaultPause is how long no call begins after an account answer.
	DefaultPause = 30 * time.Second
	// DefaultLease is how long a probe has before another may take its place.
	DefaultLease = 35 * time.Second
	// DefaultAnswers is how many account answers fail a message, when after
	// each but the last another message passed. The more it takes, the surer
	// it is, and the more often the whole account pauses for one message.
	DefaultAnswers = 2

	// headStartShare and maxHeadStart are how long after the pause suspects
	// leave the probe to messages that were never refused.
	headStartShare = 2
	minHeadStart   = time.Millisecond
	maxHeadStart   = 5 * time.Second

	// The others ask again for the end of a probe after a part of the pause.
	recheckShare = 4
	minRecheck   = 20 * time.Millisecond
	maxRecheck   = time.Second

	// suspectTTL is how long suspects are kept after the last account answer: a
	// message may wait that long for its next try.
	suspectTTL = 24 * time.Hour
	// openFresh is for how long a process relies on having seen the gate open
	// and without suspects: about as long as a call that is under way anyway.
	openFresh = 50 * time.Millisecond

	accountKeyBytes = 8
)

//go:embed lua/acquire.lua
var acquireSource string

//go:embed lua/report.lua
var reportSource string

// GateOptions configure a Gate. Zero values mean the defaults.
type GateOptions struct {
	// Account names the account that pauses; any text, only its hash is kept.
	Account string
	// Pause is how long no call begins after an account answer (SINCH_PAUSE).
	Pause time.Duration
	// Lease is how long a probe has: more than a task may take (TASK_TIMEOUT).
	Lease time.Duration
	// Answers is how many account answers fail a message that is alone in
	// getting them; at least 2.
	Answers int
	// MaxWait is how long Acquire waits at most.
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

// Gate lets calls to one account begin, or not. It is safe for concurrent use,
// and shared by all processes that name the same account.
//
// The first account answer closes it for Pause. Then one message at a time is
// let in as the probe; if it passes, the gate opens, and if it gets an account
// answer too, the gate closes for another Pause. A probe that never reports
// loses its place after Lease. Messages that were refused are suspects and
// come after the others, so that each probe is another message.
//
// A message is found to be the trouble itself when it alone was refused (no
// other was, up to the next pass), another passed next, and then it was refused
// again. When several are refused in one pause the trouble is the account, and
// the answers count against none of them.
type Gate struct {
	rdb     redis.UniversalClient
	opts    GateOptions
	keys    []string
	acquire *redis.Script
	report  *redis.Script
	fresh   freshness
}

// freshness remembers that the gate was seen open a moment ago.
type freshness struct {
	mu      sync.Mutex
	seen    time.Time
	version int // moved by forget, so that an older reading is not remembered
}

// GatePermit allows one message; exactly one of Gate's Passed, Refused and
// Release ends it.
type GatePermit struct {
	// Probe says that this message shows whether the account works again.
	Probe bool

	message string
	suspect bool
}

// Verdict is the consequence of an account answer.
type Verdict struct {
	// Alone says that the trouble is this message, not the account: others
	// pass. It has failed, and no other message waits because of it.
	Alone bool
	// RetryIn is when a message that is not alone should come back.
	RetryIn time.Duration
}

// NewGate returns a Gate on rdb.
func NewGate(rdb redis.UniversalClient, opts GateOptions) *Gate {
	opts = opts.withDefaults()
	sum := sha256.Sum256([]byte(opts.Account))
	key := opts.Prefix + "gate:" + hex.EncodeToString(sum[:accountKeyBytes])
	return &Gate{
		rdb:     rdb,
		opts:    opts,
		keys:    []string{key, key + ":suspects"},
		acquire: redis.NewScript(acquireSource),
		report:  redis.NewScript(reportSource),
	}
}

// Acquire returns a permit, a *DeniedError with CauseAccount or, when Redis
// failed, CauseUnavailable, or ctx's error, wrapped. At a closed gate it waits
// for up to MaxWait: if the gate opens within that, the message goes on.
//
// message names a message, and a new one each time an operator has it sent
// again from the beginning.
func (g *Gate) Acquire(ctx context.Context, message string) (GatePermit, error) {
	if g.fresh.isOpen() {
		return GatePermit{message: message}, nil
	}
	permit, denied, err := g.try(ctx, message)
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
	permit, denied, err = g.try(ctx, message)
	if err != nil {
		return GatePermit{}, err
	}
	if denied != nil {
		return GatePermit{}, denied
	}
	return permit, nil
}

// Confirm reports whether a permit still holds after something else, such as
// the pace, took its time. It asks Redis only if that took longer than a moment,
// does not wait, and fails as Acquire does.
func (g *Gate) Confirm(ctx context.Context, p GatePermit) error {
	if p.Probe || g.fresh.isOpen() {
		return nil
	}
	pause, err := g.Paused(ctx)
	if err != nil {
		return err
	}
	if pause != nil {
		return &DeniedError{Cause: CauseAccount, RetryIn: g.recheckAfter(), SinchCode: pause.SinchCode, ProbeAt: pause.ProbeAt}
	}
	return nil
}

// stagger lets suspects in at different moments. Otherwise two that are the
// trouble themselves, refused together time and again, would look like the
// account's trouble for ever.
func (g *Gate) stagger(p GatePermit) time.Duration {
	if !p.suspect || p.Probe {
		return 0
	}
	return rand.N(g.headStart()) //nolint:gosec // being apart needs no secret randomness
}

// try runs the script once. With a *DeniedError the permit only names the
// message.
func (g *Gate) try(ctx context.Context, message string) (GatePermit, *DeniedError, error) {
	version := g.fresh.current()
	var reply struct {
		state, wait, suspect, quiet, probeAt int64
		code                                 string
	}
	values, err := g.acquire.Run(ctx, g.rdb, g.keys, message,
		g.opts.Lease.Milliseconds(), g.headStart().Milliseconds(), g.recheckAfter().Milliseconds()).Slice()
	if err == nil {
		err = scan(values, &reply.state, &reply.wait, &reply.suspect, &reply.quiet, &reply.probeAt, &reply.code)
	}
	if err != nil {
		return GatePermit{}, nil, unavailable(ctx, err)
	}
	const open, probe = 0, 1
	permit := GatePermit{Probe: reply.state == probe, message: message, suspect: reply.suspect == 1}
	switch {
	case reply.state == open && reply.quiet == 1:
		g.fresh.remember(version)
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

// Passed reports that the account works: Sinch took the message, or refused it
// for a reason that is the message's own.
func (g *Gate) Passed(ctx context.Context, p GatePermit) error {
	if !p.Probe && !p.suspect {
		return nil // no message waits for this report
	}
	_, err := g.run(ctx, p, "passed", "")
	return err
}

// Release reports that the call showed nothing about the account: it was not
// made, or its outcome is unknown. Another message becomes the probe.
func (g *Gate) Release(ctx context.Context, p GatePermit) error {
	if !p.Probe {
		return nil
	}
	_, err := g.run(ctx, p, "released", "")
	return err
}

// Refused reports an account answer with Sinch's code, if it gave one, and
// returns its consequence.
func (g *Gate) Refused(ctx context.Context, p GatePermit, sinchCode string) (Verdict, error) {
	g.fresh.forget()
	reply, err := g.run(ctx, p, "account", sinchCode)
	if err != nil {
		return Verdict{}, err
	}
	return Verdict{Alone: reply[0] == 1, RetryIn: time.Duration(reply[1]) * time.Millisecond}, nil
}

func (g *Gate) run(ctx context.Context, p GatePermit, outcome, sinchCode string) ([]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	reply, err := g.report.Run(ctx, g.rdb, g.keys, p.message, outcome, g.opts.Pause.Milliseconds(),
		g.headStart().Milliseconds(), suspectTTL.Milliseconds(), g.opts.Answers, sinchCode).Int64Slice()
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	return reply, nil
}

// Pause is a pause of the account.
type Pause struct {
	// SinchCode is Sinch's code of the answer that began it; empty when it gave
	// none.
	SinchCode string
	Since     time.Time
	// ProbeAt is when the next message may probe; zero while one does.
	ProbeAt time.Time
}

// Paused returns the pause that lasts, also while it is probed, or nil.
func (g *Gate) Paused(ctx context.Context) (*Pause, error) {
	var fields struct {
		Until int64  `redis:"until"`
		Since int64  `redis:"since"`
		Code  string `redis:"code"`
		Probe string `redis:"probe"`
	}
	if err := g.rdb.HMGet(ctx, g.keys[0], "until", "since", "code", "probe").Scan(&fields); err != nil {
		return nil, unavailable(ctx, err)
	}
	if fields.Until == 0 {
		return nil, nil //nolint:nilnil // no pause is no error
	}
	pause := &Pause{SinchCode: fields.Code, Since: fromMillis(fields.Since)}
	if fields.Probe == "" {
		pause.ProbeAt = fromMillis(fields.Until)
	}
	return pause, nil
}

// fromMillis is a moment of Redis' clock; zero stays zero.
func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
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

func (f *freshness) remember(version int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.version == version {
		f.seen = time.Now()
	}
}

func (f *freshness) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = time.Time{}
	f.version++
}
