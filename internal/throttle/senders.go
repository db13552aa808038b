package throttle

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"
	_ "time/tzdata" // the day of a sender's limit has a time zone, and the image none

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// SenderLimit is what a sender has beside the account's pace.
type SenderLimit struct {
	PerSecond float64 // 0: no pace; a quarter of a second's worth, and at least one, begins at once
	Daily     int64   // first requests a day; 0: no limit
}

// senderBurst is the part of a second's worth of a sender that may begin at once.
const senderBurst = 4

// dailyZone is where the day of a sender's limit begins and ends, as carriers count
// it.
const dailyZone = "America/Los_Angeles"

// claim describes a waiter's token request. The zero claim is one of the account
// alone.
type claim struct {
	sender  string // in digits; empty: it has no limits
	batch   string // empty: it has no pace
	pace    int64  // of the batch, in messages in a million seconds
	message string // whose reservation it is; empty: it reserves nothing
	counts  bool   // as one of the day's messages
}

// limited reports whether there are limits beside those of the account.
func (c claim) limited() bool { return c.sender != "" || c.batch != "" }

// senders are the limits of senders.
type senders struct {
	limits map[string]SenderLimit // by digits
	zone   *time.Location
	now    func() time.Time
}

func newSenders(opts PacerOptions) *senders {
	s := &senders{limits: make(map[string]SenderLimit, len(opts.Senders)), zone: losAngeles(), now: opts.Now}
	if s.now == nil {
		s.now = time.Now
	}
	for number, limit := range opts.Senders {
		s.limits[digits(number)] = limit
	}
	return s
}

// losAngeles is the zone of dailyZone, which time/tzdata has.
func losAngeles() *time.Location {
	zone, err := time.LoadLocation(dailyZone)
	if err != nil {
		return time.UTC
	}
	return zone
}

func digits(number string) string { return strings.TrimPrefix(number, "+") }

// claim is that of a message. A message that was replayed is another one.
func (s *senders) claim(m *message.Message) claim {
	if s == nil {
		return claim{}
	}
	sender := digits(m.From)
	if _, limited := s.limits[sender]; !limited {
		return claim{}
	}
	return claim{sender: sender, message: fmt.Sprintf("%s:%d:%d", m.ID, m.Replays, m.Attempts), counts: m.Attempts == 0}
}

// reservedAhead is for how long a call for several recipients of a sender with a pace
// reserves tokens: longer than its task takes to come back, so that none is lost
// meanwhile. It bounds the wait of the sender's other messages.
const reservedAhead = 3 * time.Second

// claims are those of the recipients of a call: as many as reserve tokens.
func (p *Pacer) claims(recipients []*message.Message) []claim {
	if len(recipients) == 0 {
		return nil
	}
	if limit := p.senders.limits[digits(recipients[0].From)]; limit.PerSecond > 0 {
		ahead := math.Ceil(limit.PerSecond * reservedAhead.Seconds())
		recipients = recipients[:min(len(recipients), int(ahead))]
	}
	claims := make([]claim, len(recipients))
	for i, m := range recipients {
		claims[i] = p.claim(m)
	}
	return claims
}

// midnight is when the day ends.
func (s *senders) midnight() time.Time {
	now := s.now().In(s.zone)
	return time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, s.zone)
}

// run is a number of waiters that follow one another and have no limits of their
// own, or one waiter that has.
type run struct {
	waiters []*waiter
	claim   claim
}

// The verdicts of lua/take.lua on a message with limits.
const (
	verdictWaits = iota
	verdictGranted
	verdictReserved
	verdictDaily
	verdictPaced
)

// runs are the waiters to be served now, in their order: those of the high lane alone
// while it has any.
func (p *Pacer) runs() (all []run, n int, high bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	add := func(w *waiter) {
		n++
		if last := len(all) - 1; !w.claim.limited() && last >= 0 && !all[last].claim.limited() {
			all[last].waiters = append(all[last].waiters, w)
			return
		}
		all = append(all, run{waiters: []*waiter{w}, claim: w.claim})
	}
	if waiting := p.lanes[message.High]; len(waiting) > 0 {
		for _, w := range waiting {
			add(w)
		}
		return all, n, true
	}
	normal, bulk := p.lanes[message.Normal], p.lanes[message.Bulk]
	for streak := p.streak; len(normal)+len(bulk) > 0; {
		if len(normal) > 0 && (len(bulk) == 0 || streak < normalPerBulk) {
			add(normal[0])
			normal, streak = normal[1:], streak+1
		} else {
			add(bulk[0])
			bulk, streak = bulk[1:], 0
		}
	}
	return all, n, false
}

// serve gives the waiters of runs what the script has answered. The token of a sender
// whose waiter has given up meanwhile is refunded.
func (p *Pacer) serve(all []run, answers []runAnswer) {
	for i, answer := range answers {
		r := all[i]
		if !r.claim.limited() {
			for _, w := range r.waiters[:min(answer.verdict, len(r.waiters))] {
				p.answer(w, nil)
			}
			continue
		}
		w := r.waiters[0]
		switch answer.verdict {
		case verdictGranted:
			if !p.answer(w, nil) && r.claim.sender != "" {
				_ = bounded(func(ctx context.Context) error { return p.senders.refund(ctx, p.redis, r.claim) })
			}
		case verdictReserved:
			p.answer(w, &DeniedError{Cause: CauseSender, RetryIn: max(answer.wait, time.Millisecond)})
		case verdictDaily:
			until := p.senders.midnight()
			p.answer(w, &DeniedError{Cause: CauseDaily, RetryIn: until.Sub(p.senders.now()), Until: until})
		case verdictPaced:
			p.answer(w, &DeniedError{Cause: CauseBatch, RetryIn: max(answer.wait, time.Millisecond)})
		default: // verdictWaits
		}
	}
}

// answer answers a waiter, unless it gave up.
func (p *Pacer) answer(w *waiter, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, waiting := range p.lanes[w.lane] {
		if waiting != w {
			continue
		}
		p.lanes[w.lane] = append(p.lanes[w.lane][:i:i], p.lanes[w.lane][i+1:]...)
		if err == nil {
			p.served(w.lane)
		}
		w.done <- err
		return true
	}
	return false
}

// served counts how many normal waiters went since the last bulk one.
func (p *Pacer) served(lane message.Lane) {
	switch lane {
	case message.Normal:
		p.streak++
	case message.Bulk:
		p.streak = 0
	default:
	}
}

// release refunds the token of a sender whose call was not begun: its message
// comes first at its next request.
func (p *Pacer) release(ctx context.Context, c claim) error {
	if c.sender == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	return p.senders.refund(ctx, p.redis, c)
}

func (s *senders) refund(ctx context.Context, from *redisSource, c claim) error {
	limit, pipe := s.limits[c.sender], from.rdb.Pipeline()
	if limit.PerSecond > 0 && c.message != "" {
		reserved := reservedKey(from.senderKey(c.sender))
		pipe.ZAdd(ctx, reserved, redis.Z{Member: c.message, Score: float64(s.now().UnixMicro())})
		pipe.PExpire(ctx, reserved, time.Hour)
	}
	if limit.Daily > 0 && c.counts {
		pipe.IncrBy(ctx, s.dayKey(from, c.sender), -1)
	}
	if pipe.Len() == 0 {
		return nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable(ctx, err)
	}
	return nil
}

func (s *redisSource) senderKey(sender string) string { return s.keys.sender(sender) }

func (s *senders) dayKey(from *redisSource, sender string) string {
	return from.senderKey(sender) + ":" + s.now().In(s.zone).Format("20060102")
}

// runAnswer is what lua/take.lua answers for a run: its tokens, or the verdict on a
// message with limits and when it comes back.
type runAnswer struct {
	verdict int
	wait    time.Duration
}

// takeRuns takes tokens for runs of waiters, n in all.
func (s *redisSource) takeRuns(ctx context.Context, limits *senders, all []run, n int, high bool) ([]runAnswer, time.Duration, error) {
	list := limitList{source: s, senders: limits, index: make(map[string]int)}
	var perRun []any
	for _, r := range all {
		if !r.claim.limited() {
			perRun = append(perRun, len(r.waiters), 0, 0, "", 0, 0)
			continue
		}
		perRun = append(perRun, 0, list.sender(r.claim.sender), list.batch(r.claim), r.claim.message, truth(r.claim.counts),
			patience(high).Microseconds())
	}
	if len(list.index) == 0 {
		reply, err := s.run(ctx, n, high)
		return wholly(all, reply.granted), s.pauseAfter(reply, high), err
	}
	keys := append([]string{s.keys.pace, s.keys.high, s.keys.slow, s.keys.backoff, s.keys.set}, list.keys...)
	reply, values, err := s.call(ctx, keys, n, high, append([]any{len(list.index)}, append(list.args, perRun...)...))
	if err != nil {
		return nil, 0, err
	}
	answers := make([]runAnswer, 0, len(values)/2)
	for i := 0; i+1 < len(values); i += 2 {
		answers = append(answers, runAnswer{verdict: int(values[i]), wait: time.Duration(values[i+1]) * time.Microsecond})
	}
	return answers, s.pauseAfter(reply, high), nil
}

// wholly gives tokens to the one run of waiters that have no limits of their own.
func wholly(all []run, granted int) []runAnswer {
	if len(all) == 0 {
		return nil
	}
	return []runAnswer{{verdict: granted}}
}

// pauseAfter is after what time asking again makes sense.
func (s *redisSource) pauseAfter(reply taken, high bool) time.Duration {
	s.marked = s.marked || reply.paced && high
	switch {
	case reply.giveWay:
		return givingWay
	case reply.wait == 0 && reply.granted > 0:
		if !reply.paced {
			now := time.Now()
			s.clear.Store(&now)
		}
		return 0
	default:
		return min(max(reply.wait, minTakeInterval), maxTakeInterval)
	}
}
