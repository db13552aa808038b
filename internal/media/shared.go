package media

import (
	"cmp"
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

	"mmsdispatch/internal/redisconn"
)

// The lifetimes of verdicts. Media that can be sent seldom change. A bad media may be
// replaced, and a replay after that must not get the old verdict. A host that is down
// must not be called again for every message that waits for it.
const (
	KeptGood      = 10 * time.Minute
	KeptBad       = 10 * time.Second
	KeptTemporary = 2 * time.Second
)

const (
	// DefaultPrefix begins every key.
	DefaultPrefix = redisconn.KeyPrefix + "media:"

	pollEvery    = 50 * time.Millisecond
	storeTimeout = time.Second
)

// Checker makes one check. Fetcher is one. The error is an *Error, ErrNotChecked,
// or that of ctx when it was canceled.
type Checker interface {
	Check(ctx context.Context, address string) (Info, error)
}

// Metrics counts checks.
type Metrics interface {
	// Checked counts a check with a request of the host: result is ok or a Code.
	Checked(result string, took time.Duration)
	// Reused counts a cached verdict.
	Reused()
}

// SharedOptions are the settings of a Shared.
type SharedOptions struct {
	Checker Checker
	Redis   redis.UniversalClient
	Metrics Metrics
	// Longest is the maximum duration of one check with its wait for a slot; zero: that
	// of a Fetcher behind Hosts.
	Longest time.Duration
	// KeepGood is the lifetime of the verdict on a good media; zero: KeptGood.
	KeepGood time.Duration
	// Policy names the settings and rules that verdicts depend on: a verdict under
	// another policy does not count.
	Policy string
	// NameFunc replaces a hash with a keyed one; nil: the hash is used.
	NameFunc func(hash string) string
}

// Shared checks a URL once for all messages with it, in all processes on one Redis: the
// verdict is cached there, and one process at a time calls the host. Without Redis
// every process makes its own check.
type Shared struct {
	opts    SharedOptions
	locker  *redislock.Client
	flights singleflight.Group
	life    context.Context //nolint:containedctx // a check is shared by callers and outlives each of their contexts
	end     context.CancelFunc
}

// NewShared makes a Shared. Close it after use.
func NewShared(o SharedOptions) *Shared {
	o.Longest, o.KeepGood = cmp.Or(o.Longest, slotTimeout+DefaultTimeout), cmp.Or(o.KeepGood, KeptGood)
	life, end := context.WithCancel(context.Background())
	return &Shared{opts: o, locker: redislock.New(o.Redis), life: life, end: end}
}

// lockTTL is longer than any check, and bounds the others' wait after a crash.
func (s *Shared) lockTTL() time.Duration { return s.opts.Longest + 2*time.Second }

// Close ends the checks under way.
func (s *Shared) Close() { s.end() }

// Check returns the verdict on a media, or makes the check. The error is an
// *Error, ErrNotChecked, or that of ctx when it was canceled.
func (s *Shared) Check(ctx context.Context, address string) (Info, error) {
	key := s.key(address)
	flight := s.flights.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(s.life, 2*s.lockTTL())
		defer cancel()
		return s.decide(ctx, key, address)
	})
	select {
	case landed := <-flight:
		info, _ := landed.Val.(Info)
		return info, landed.Err
	case <-ctx.Done():
		return Info{}, notChecked(ctx)
	}
}

// Verdict is the result of a check.
type Verdict struct {
	Info Info
	Err  error
}

// CheckAll checks the media of one message at once, and returns the verdicts in
// their order.
func (s *Shared) CheckAll(ctx context.Context, addresses []string) []Verdict {
	verdicts := make([]Verdict, len(addresses))
	var all sync.WaitGroup
	for i, address := range addresses {
		all.Go(func() { verdicts[i].Info, verdicts[i].Err = s.Check(ctx, address) })
	}
	all.Wait()
	return verdicts
}

// notChecked is the error of a wait that ended without a verdict.
func notChecked(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("media check: %w", context.Canceled)
	}
	return ErrNotChecked
}

// key is the key of a URL's verdict.
func (s *Shared) key(address string) string {
	hash := sha256.Sum256([]byte(s.opts.Policy + " " + address))
	name := hex.EncodeToString(hash[:])
	if s.opts.NameFunc != nil {
		name = s.opts.NameFunc(name)
	}
	return DefaultPrefix + name
}

// decide returns the cached verdict, or checks under a lock and caches the verdict.
func (s *Shared) decide(ctx context.Context, key, address string) (Info, error) {
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
		lock, err := s.locker.Obtain(ctx, key+":lock", s.lockTTL(), nil)
		switch {
		case err == nil:
			return s.checkForAll(ctx, lock, key, address)
		case !errors.Is(err, redislock.ErrNotObtained):
			return s.check(ctx, address)
		}
		select {
		case <-ctx.Done():
			return Info{}, notChecked(ctx)
		case <-poll.C:
		}
	}
}

// check makes a check.
func (s *Shared) check(ctx context.Context, address string) (Info, error) {
	start := time.Now()
	info, err := s.opts.Checker.Check(ctx, address)
	if bad, ok := errors.AsType[*Error](err); ok {
		s.opts.Metrics.Checked(string(bad.Code), time.Since(start))
	} else if err == nil {
		s.opts.Metrics.Checked("ok", time.Since(start))
	}
	return info, err
}

// checkForAll makes a check and stores the verdict for the other processes, unless
// another process stored one before the lock was free.
func (s *Shared) checkForAll(ctx context.Context, lock *redislock.Lock, key, address string) (Info, error) {
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
		defer cancel()
		_ = lock.Release(ctx) // else it expires
	}()
	if known, found, _ := s.known(ctx, key); found {
		s.opts.Metrics.Reused()
		return known.verdict()
	}
	info, err := s.check(ctx, address)
	if r, keep := s.recordOf(info, err); keep > 0 {
		s.store(ctx, key, r, keep)
	}
	return info, err
}

// record is a verdict in Redis.
type record struct {
	Type string `json:"type,omitempty"`
	URL  string `json:"url,omitempty"` // of this service; the caller's URLs are not stored
	Size int64  `json:"size,omitempty"`
	Code Code   `json:"code,omitempty"` // empty: it can be sent

	Still bool `json:"still,omitempty"`
}

func (r record) verdict() (Info, error) {
	if r.Code != "" {
		return Info{}, &Error{Code: r.Code}
	}
	return Info{Type: r.Type, Size: r.Size, URL: r.URL, Still: r.Still}, nil
}

// recordOf returns the record of a check and its lifetime; zero: not stored.
func (s *Shared) recordOf(info Info, err error) (record, time.Duration) {
	if err == nil {
		return record{Type: info.Type, Size: info.Size, URL: info.URL, Still: info.Still}, s.opts.KeepGood
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

// known reads a verdict. One with an unknown code counts as none.
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
		return record{}, false, nil //nolint:nilerr // counts as none
	}
	_, ours := meanings[r.Code]
	return r, ours || r.Code == "", nil
}

// store caches a verdict for the other processes. If it fails, the next check calls the
// host again.
func (s *Shared) store(ctx context.Context, key string, r record, keep time.Duration) {
	value, err := json.Marshal(r)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	_ = s.opts.Redis.Set(ctx, key, value, keep).Err()
}
