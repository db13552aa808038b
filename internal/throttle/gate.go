package throttle

import (
	"context"
	"crypto/sha256"
	_ "embed" // the scripts
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// DefaultPause is how long nobody calls after an account answer.
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

	// The others look again for the end of a probe in a part of the pause.
	lookAgainShare = 4
	minLookAgain   = 20 * time.Millisecond
	maxLookAgain   = time.Second

	// gateMemory is how long suspects are remembered after the last account
	// answer: a message may wait that long for its next try.
	gateMemory = 24 * time.Hour
	// openFresh is for how long a process relies on having seen the gate open
	// and without suspects: about as long as a call that is under way anyway.
	openFresh = 50 * time.Millisecond

	accountKeyBytes = 8
)

//go:embed lua/enter.lua
var enterSource string

//go:embed lua/report.lua
var reportSource string

// GateOptions configure a Gate. Zero values mean the defaults.
type GateOptions struct {
	// Account names the account that pauses; any text, only its hash is kept.
	Account string
	// Pause is how long nobody calls after an account answer (SINCH_PAUSE).
	Pause time.Duration
	// Lease is how long a probe has: more than a task may take (TASK_TIMEOUT).
	Lease time.Duration
	// Answers is how many account answers fail a message that is alone in
	// getting them; at least 2.
	Answers int
	// MaxHold is how long Enter holds a caller at most.
	MaxHold time.Duration
	// Prefix begins the keys.
	Prefix string
}

func (o GateOptions) withDefaults() GateOptions {
	orDefault(&o.Pause, DefaultPause)
	orDefault(&o.Lease, DefaultLease)
	orDefault(&o.MaxHold, DefaultMaxHold)
	if o.Answers <= 1 {
		o.Answers = DefaultAnswers
	}
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	return o
}

func orDefault(field *time.Duration, value time.Duration) {
	if *field <= 0 {
		*field = value
	}
}

// Gate lets calls to one account through, or not. It is safe for concurrent
// use, and shared by all processes that name the same account.
//
// The first account answer closes it for Pause. Then one message at a time is
// let in as the probe; if it passes, the gate opens, and if it gets an account
// answer too, the gate closes for another Pause. A probe that never reports
// loses its place after Lease. Messages that were refused are suspects and
// come after the others, so that each probe is another message.
//
// A message is found to be the trouble itself when it alone was refused
// (nobody else was, up to the next pass), another passed next, and then it was
// refused again. When several are refused in one pause it is the account, and
// nothing is held against any of them.
type Gate struct {
	rdb    redis.UniversalClient
	opts   GateOptions
	keys   []string
	enter  *redis.Script
	report *redis.Script
	fresh  freshness
}

// freshness remembers that the gate was seen open a moment ago.
type freshness struct {
	mu      sync.Mutex
	seen    time.Time
	version int // moved by forget, so that an older look is not remembered
}

// Ticket is the permission to send one message; the Gate that gave it has to
// be told what became of it.
type Ticket struct {
	// Probe says that the account is being tried out with this message.
	Probe bool

	message string
	suspect bool
}

// Verdict is what follows from an account answer.
type Verdict struct {
	// Alone says that the trouble is this message, not the account: others
	// pass. It has failed, and nobody pauses for it.
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
		rdb:    rdb,
		opts:   opts,
		keys:   []string{key, key + ":suspects"},
		enter:  redis.NewScript(enterSource),
		report: redis.NewScript(reportSource),
	}
}

// Enter lets a message in, or returns a *ClosedError with the time to come
// back, an *UnavailableError when Redis failed, or ctx's error, wrapped. A
// caller that finds the gate closed is held for MaxHold at most: if the gate
// opens within that, the message goes on. Every Ticket must be reported.
//
// message names a message, and a new one each time an operator has it sent
// again from the beginning.
func (g *Gate) Enter(ctx context.Context, message string) (Ticket, error) {
	if g.fresh.isOpen() {
		return Ticket{message: message}, nil
	}
	ticket, wait, err := g.ask(ctx, message)
	if err != nil {
		return Ticket{}, err
	}
	wait += g.stagger(ticket)
	if wait == 0 {
		return ticket, nil
	}
	if err := pass(ctx, min(wait, g.opts.MaxHold)); err != nil {
		return Ticket{}, err
	}
	ticket, wait, err = g.ask(ctx, message)
	if err != nil {
		return Ticket{}, err
	}
	if wait > 0 {
		return Ticket{}, &ClosedError{RetryIn: wait}
	}
	return ticket, nil
}

// Confirm says whether a ticket still holds after something else, such as the
// pace, took its time. It asks Redis only if that took longer than a moment,
// holds nobody, and fails as Enter does.
func (g *Gate) Confirm(ctx context.Context, t Ticket) error {
	if t.Probe || g.fresh.isOpen() {
		return nil
	}
	paused, err := g.Paused(ctx)
	if err != nil {
		return err
	}
	if paused {
		return &ClosedError{RetryIn: g.lookAgain()}
	}
	return nil
}

// stagger lets suspects in at different moments. Otherwise two that are the
// trouble themselves, refused together time and again, would look like the
// account's trouble for ever.
func (g *Gate) stagger(t Ticket) time.Duration {
	if !t.suspect || t.Probe {
		return 0
	}
	return rand.N(g.headStart()) //nolint:gosec // being apart needs no secret randomness
}

// ask runs the script; wait is above 0 when the gate is closed, and then the
// ticket is none.
func (g *Gate) ask(ctx context.Context, message string) (Ticket, time.Duration, error) {
	version := g.fresh.current()
	reply, err := g.enter.Run(ctx, g.rdb, g.keys, message,
		g.opts.Lease.Milliseconds(), g.headStart().Milliseconds(), g.lookAgain().Milliseconds()).Int64Slice()
	if err != nil {
		return Ticket{}, 0, failure(ctx, err)
	}
	const open, probe = 0, 1
	state, wait, suspect, quiet := reply[0], reply[1], reply[2] == 1, reply[3] == 1
	switch {
	case state == open && quiet:
		g.fresh.remember(version)
	case state != open && state != probe:
		return Ticket{message: message, suspect: suspect}, time.Duration(max(wait, 1)) * time.Millisecond, nil
	}
	return Ticket{Probe: state == probe, message: message, suspect: suspect}, 0, nil
}

// Passed reports that the account works: Sinch took the message, or refused it
// for a reason that is the message's own.
func (g *Gate) Passed(ctx context.Context, t Ticket) error {
	if !t.Probe && !t.suspect {
		return nil // nothing waits for this news
	}
	_, err := g.tell(ctx, t, "passed")
	return err
}

// Nothing reports that the call showed nothing about the account: it was not
// made, or its outcome is unknown. Another message becomes the probe.
func (g *Gate) Nothing(ctx context.Context, t Ticket) error {
	if !t.Probe {
		return nil
	}
	_, err := g.tell(ctx, t, "nothing")
	return err
}

// Refused reports an account answer and says what follows from it.
func (g *Gate) Refused(ctx context.Context, t Ticket) (Verdict, error) {
	g.fresh.forget()
	reply, err := g.tell(ctx, t, "account")
	if err != nil {
		return Verdict{}, err
	}
	return Verdict{Alone: reply[0] == 1, RetryIn: time.Duration(reply[1]) * time.Millisecond}, nil
}

func (g *Gate) tell(ctx context.Context, t Ticket, outcome string) ([]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	reply, err := g.report.Run(ctx, g.rdb, g.keys, t.message, outcome, g.opts.Pause.Milliseconds(),
		g.headStart().Milliseconds(), gateMemory.Milliseconds(), g.opts.Answers).Int64Slice()
	if err != nil {
		return nil, failure(ctx, err)
	}
	return reply, nil
}

// Paused says whether the account is paused or being probed, for metrics and
// pages.
func (g *Gate) Paused(ctx context.Context) (bool, error) {
	n, err := g.rdb.Exists(ctx, g.keys[0]).Result()
	if err != nil {
		return false, failure(ctx, err)
	}
	return n > 0, nil
}

func (g *Gate) headStart() time.Duration {
	return min(max(g.opts.Pause/headStartShare, minHeadStart), maxHeadStart)
}

func (g *Gate) lookAgain() time.Duration {
	return min(max(g.opts.Pause/lookAgainShare, minLookAgain), maxLookAgain)
}

// failure tells a caller who gave up from a Redis that did not answer.
func failure(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("pause of calls: %w", ctx.Err())
	}
	return &UnavailableError{Err: err}
}

// pass lets time pass.
func pass(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("pause of calls: %w", ctx.Err())
	}
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
