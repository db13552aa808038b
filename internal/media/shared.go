package media

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bsm/redislock"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"
)

// How long a verdict is kept, by what it says. Media that can be sent seldom
// change. A bad one may be put right, and whoever did that and replays the
// message should not be told the old verdict. A host that is down must not be
// asked again for every message that waits for it.
const (
	KeptGood      = 10 * time.Minute
	KeptBad       = 10 * time.Second
	KeptTemporary = 2 * time.Second
)

const (
	// DefaultPrefix begins every key; its hash tag keeps them in one slot.
	DefaultPrefix = "mms:{m}:media:"

	lockTTL   = DefaultTimeout + 2*time.Second // a process that dies must not keep the others waiting
	pollEvery = 50 * time.Millisecond
	// flightTimeout is long enough for a check after one whose process died.
	flightTimeout = lockTTL + 2*DefaultTimeout
	tellTimeout   = time.Second
)

// Checker makes one check. Fetcher is one.
type Checker interface {
	Check(ctx context.Context, address string) (Medium, error)
}

// Metrics counts checks.
type Metrics interface {
	// Checked counts a check that asked the host: result is ok or a Code.
	Checked(result string, took time.Duration)
	// Reused counts a verdict that was known.
	Reused()
}

// SharedOptions are what a Shared is made of.
type SharedOptions struct {
	Checker Checker
	Redis   redis.UniversalClient
	Metrics Metrics
	// Policy names the settings that verdicts depend on: after a change of
	// theirs, verdicts of before do not count.
	Policy string
}

// Shared checks a URL once for all messages that carry it, in all processes on
// one Redis: the verdict is kept there for a while, and one process at a time
// asks the host. Without Redis every process asks for itself.
type Shared struct {
	opts    SharedOptions
	locker  *redislock.Client
	flights singleflight.Group
	life    context.Context //nolint:containedctx // checks outlive the caller who began them
	end     context.CancelFunc
}

// NewShared makes a Shared. Close it after use.
func NewShared(o SharedOptions) *Shared {
	life, end := context.WithCancel(context.Background())
	return &Shared{opts: o, locker: redislock.New(o.Redis), life: life, end: end}
}

// Close gives up the checks under way.
func (s *Shared) Close() { s.end() }

// Check returns what is known of a medium, or finds it out. The error is an
// *Error, or that of ctx when it was canceled.
func (s *Shared) Check(ctx context.Context, address string) (Medium, error) {
	key := s.key(address)
	flight := s.flights.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(s.life, flightTimeout)
		defer cancel()
		return s.settle(ctx, key, address)
	})
	select {
	case landed := <-flight:
		medium, _ := landed.Val.(Medium)
		return medium, landed.Err
	case <-ctx.Done():
		return Medium{}, waitedInVain(ctx)
	}
}

// Verdict is what a check found out.
type Verdict struct {
	Medium Medium
	Err    error
}

// CheckAll checks the media of one message at once, and returns the verdicts in
// their order.
func (s *Shared) CheckAll(ctx context.Context, addresses []string) []Verdict {
	verdicts := make([]Verdict, len(addresses))
	var all sync.WaitGroup
	for i, address := range addresses {
		all.Go(func() { verdicts[i].Medium, verdicts[i].Err = s.Check(ctx, address) })
	}
	all.Wait()
	return verdicts
}

func waitedInVain(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("media check: %w", context.Canceled)
	}
	return &Error{Code: CodeTimeout}
}

// key names a URL without giving it away.
func (s *Shared) key(address string) string {
	hash := sha256.Sum256([]byte(s.opts.Policy + " " + address))
	return DefaultPrefix + hex.EncodeToString(hash[:])
}

// settle takes the verdict somebody has left, or is the one who leaves it.
func (s *Shared) settle(ctx context.Context, key, address string) (Medium, error) {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		known, found, err := s.known(ctx, key)
		if found {
			s.opts.Metrics.Reused()
			return known.verdict()
		}
		if err != nil {
			return s.check(ctx, address)
		}
		lock, err := s.locker.Obtain(ctx, key+":lock", lockTTL, nil)
		switch {
		case err == nil:
			return s.checkForAll(ctx, lock, key, address)
		case !errors.Is(err, redislock.ErrNotObtained):
			return s.check(ctx, address)
		}
		select {
		case <-ctx.Done():
			return Medium{}, waitedInVain(ctx)
		case <-poll.C:
		}
	}
}

// check asks the host.
func (s *Shared) check(ctx context.Context, address string) (Medium, error) {
	start := time.Now()
	medium, err := s.opts.Checker.Check(ctx, address)
	if bad, ok := errors.AsType[*Error](err); ok {
		s.opts.Metrics.Checked(string(bad.Code), time.Since(start))
	} else if err == nil {
		s.opts.Metrics.Checked("ok", time.Since(start))
	}
	return medium, err
}

// checkForAll asks the host and leaves the verdict for the others, unless one
// was left before the lock was free.
func (s *Shared) checkForAll(ctx context.Context, lock *redislock.Lock, key, address string) (Medium, error) {
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTimeout)
		defer cancel()
		_ = lock.Release(ctx) // else it runs out
	}()
	if known, found, _ := s.known(ctx, key); found {
		s.opts.Metrics.Reused()
		return known.verdict()
	}
	medium, err := s.check(ctx, address)
	if r, keep := recordOf(medium, err); keep > 0 {
		s.tell(ctx, key, r, keep)
	}
	return medium, err
}

// record is a verdict in Redis.
type record struct {
	Type string `json:"type,omitempty"`
	Size int64  `json:"size,omitempty"`
	Code Code   `json:"code,omitempty"` // empty: it can be sent
}

func (r record) verdict() (Medium, error) {
	if r.Code != "" {
		return Medium{}, &Error{Code: r.Code}
	}
	return Medium{Type: r.Type, Size: r.Size}, nil
}

// recordOf is what to keep of a check, and for how long; zero: nothing.
func recordOf(medium Medium, err error) (record, time.Duration) {
	if err == nil {
		return record{Type: medium.Type, Size: medium.Size}, KeptGood
	}
	bad, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return record{}, 0
	case bad.Temporary():
		return record{Code: bad.Code}, KeptTemporary
	default:
		return record{Code: bad.Code}, KeptBad
	}
}

// known reads a verdict. One of a newer release, with a code this one does not
// know, is none.
func (s *Shared) known(ctx context.Context, key string) (_ record, found bool, _ error) {
	value, err := s.opts.Redis.Get(ctx, key).Bytes()
	if errors.Is(err, redis.Nil) {
		return record{}, false, nil
	}
	if err != nil {
		return record{}, false, fmt.Errorf("look up verdict: %w", err)
	}
	var r record
	if err := json.Unmarshal(value, &r); err != nil {
		return record{}, false, nil //nolint:nilerr // as good as none
	}
	_, ours := meanings[r.Code]
	return r, ours || r.Code == "", nil
}

// tell leaves a verdict for the others. When Redis does not take it, somebody
// else finds it out again.
func (s *Shared) tell(ctx context.Context, key string, r record, keep time.Duration) {
	value, err := json.Marshal(r)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTimeout)
	defer cancel()
	_ = s.opts.Redis.Set(ctx, key, value, keep).Err()
}
