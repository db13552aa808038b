package sinchsim

import (
	"math"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// script decides the behaviour of a call. The most specific rule wins:
// reference, message, number, "the next n calls", magic digits, default.
type script struct {
	settings // guarded by mu, as all that follows it

	magicOff bool
	initial  settings

	mu          sync.Mutex
	next        []limitedBehavior
	byReference map[string]*limitedBehavior // by reference or message id
	byNumber    map[string]*limitedBehavior
	magicSeen   map[string]int // magic behaviours that end after some calls: uses by message and number
	limiter     *rate.Limiter  // nil: no limit
}

// settings are the parts of a script that a reset returns to the options.
type settings struct {
	base    Behavior
	latency Latency
	rate    float64
	burst   int
}

// limitedBehavior is a behaviour for a number of calls; left 0 is without end.
type limitedBehavior struct {
	Behavior

	left int
}

// Magic is the behaviour of numbers with certain last four digits. A positive times
// ends it after that many calls of one message.
type Magic struct {
	Behavior

	Times int
}

// MagicTable has an API's behaviours of the magic numbers.
type MagicTable map[string]Magic

// maxMagicSeen bounds the entries of messages that are not sent again.
const maxMagicSeen = 100_000

// Direction is the script's decision about one call.
type Direction struct {
	Behavior

	latency Latency
	// base is set when no rule matched this call, only digits or the default: each
	// recipient of a batch then has its own receipts.
	base *Behavior
}

func newScript(o Options) *script {
	s := &script{
		magicOff: o.NoMagicNumbers,
		initial:  settings{base: o.Behavior, latency: o.Latency, rate: o.Rate, burst: o.Burst},
	}
	s.reset()
	return s
}

func (s *script) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings = s.initial
	s.next = nil
	s.byReference = map[string]*limitedBehavior{}
	s.byNumber = map[string]*limitedBehavior{}
	s.magicSeen = map[string]int{}
	s.limiter = newLimiter(s.rate, s.burst)
}

// newLimiter returns nil without a limit. The burst is one second's worth by default.
func newLimiter(perSecond float64, burst int) *rate.Limiter {
	if perSecond <= 0 {
		return nil
	}
	if burst <= 0 {
		burst = max(1, int(math.Ceil(perSecond)))
	}
	return rate.NewLimiter(rate.Limit(perSecond), burst)
}

// direct chooses the behaviour of a call. A call above the rate is throttled
// and uses up no rule.
func (s *script) direct(c Call, table MagicTable, now time.Time) Direction {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limiter != nil && !s.limiter.AllowN(now, max(len(c.Numbers), 1)) {
		return Direction{Behavior: Behavior{Answer: AnswerThrottle}, latency: s.latency}
	}
	if b, ok := s.named(c); ok {
		return Direction{Behavior: b, latency: s.latency}
	}
	base := s.base
	d := Direction{Behavior: base, latency: s.latency, base: &base}
	if s.magicOff {
		return d
	}
	for _, number := range c.Numbers {
		if m, ok := table[lastFour(number)]; ok && s.magicLasts(c, number, m) {
			d.Behavior = m.Behavior
			break
		}
	}
	return d
}

func (s *script) named(c Call) (Behavior, bool) {
	if c.Reference != "" {
		for _, key := range []string{c.Reference, c.Message} {
			if b, ok := take(s.byReference, key); ok {
				return b, true
			}
		}
	}
	for _, number := range c.Numbers {
		if b, ok := take(s.byNumber, number); ok {
			return b, true
		}
	}
	if len(s.next) == 0 {
		return Behavior{}, false
	}
	first := &s.next[0]
	b := first.Behavior
	if first.left--; first.left <= 0 {
		s.next = s.next[1:]
	}
	return b, true
}

// take counts a use of a limitedBehavior and removes it after the last.
func take(behaviors map[string]*limitedBehavior, key string) (Behavior, bool) {
	r, ok := behaviors[key]
	if !ok {
		return Behavior{}, false
	}
	if r.left > 0 {
		if r.left--; r.left == 0 {
			delete(behaviors, key)
		}
	}
	return r.Behavior, true
}

// magicLasts reports whether m still applies to this message, and counts the use.
// A reference with an attempt number needs no count: every worker has its own
// simulator, which gets only some of a message's attempts.
func (s *script) magicLasts(c Call, number string, m Magic) bool {
	if m.Times == 0 {
		return true
	}
	if n, ok := attemptOf(c.Reference); ok {
		return n <= m.Times
	}
	key := c.Message + "/" + number
	if s.magicSeen[key] >= m.Times {
		delete(s.magicSeen, key)
		return false
	}
	if len(s.magicSeen) >= maxMagicSeen {
		clear(s.magicSeen)
	}
	s.magicSeen[key]++
	return true
}

// ReceiptsFor are the receipts of one recipient of a call.
func (d Direction) ReceiptsFor(number string, table MagicTable, magicOff bool) Receipts {
	if d.base == nil {
		return d.Receipts
	}
	if m, ok := table[lastFour(number)]; ok && !magicOff && m.Times == 0 {
		return m.Receipts
	}
	return d.base.Receipts
}

func (s *script) setBase(b Behavior) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.base = b
}

func (s *script) setLatency(l Latency) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = l
}

func (s *script) setRate(perSecond float64, burst int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rate, s.burst = perSecond, burst
	s.limiter = newLimiter(perSecond, burst)
}

func (s *script) addNext(times int, b Behavior) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = append(s.next, limitedBehavior{b, max(times, 1)})
}

func (s *script) clearNext() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = nil
}

func (s *script) setReference(reference string, times int, b Behavior) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byReference[reference] = &limitedBehavior{b, max(times, 0)}
}

func (s *script) clearReference(reference string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byReference, reference)
}

func (s *script) setNumber(number string, times int, b Behavior) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byNumber[plain(number)] = &limitedBehavior{b, max(times, 0)}
}

func (s *script) clearNumber(number string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byNumber, plain(number))
}

// plain is a number in the format of calls.
func plain(number string) string {
	return Bare(strings.TrimSpace(number))
}
