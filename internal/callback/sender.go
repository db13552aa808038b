package callback

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/background"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/tracing"
)

// Metrics counts what the sender does.
type Metrics interface {
	// Attempted counts an attempt by what it came to: delivered, failed or retry.
	Attempted(outcome string, took time.Duration)
	// Disabled counts a configuration that was disabled because it failed.
	Disabled()
}

// SenderOptions are what a sender is made of.
type SenderOptions struct {
	Store        *Store
	Ledger       Ledger
	Show         Show
	Metrics      Metrics
	Tracer       *tracing.Tracer // nil: attempts are not traced
	Log          zerolog.Logger
	Timeout      time.Duration // of an attempt
	AllowPrivate bool          // deliver by http, and to addresses that are not public
	Schedule     Schedule      // zero: DefaultSchedule
}

// How much a process delivers at once: in all, to one endpoint, and to an endpoint
// whose last attempt failed, so that it occupies little while it hangs.
const (
	attemptsMax        = 1000
	attemptsOfEndpoint = 8
	attemptsOfFailing  = 1
)

const (
	sendEvery = 200 * time.Millisecond
	// endpointsRead is how many endpoints are looked at in one round.
	endpointsRead = 500
	// endpointsKnown is the number of failing endpoints that a process caches.
	endpointsKnown = 10_000
	// endpointWait is how long an endpoint waits whose attempts are all in use.
	endpointWait = 250 * time.Millisecond
	// leaseSlack is added to the timeout of an attempt: a delivery whose process has
	// died is due again after both.
	leaseSlack = 10 * time.Second
	// stopGrace is how long attempts in progress may take once the sender stops.
	stopGrace = 5 * time.Second
	// recordTimeout bounds the record of an attempt.
	recordTimeout = 5 * time.Second
)

// Sender delivers what is due. Any number of processes do so at a time.
type Sender struct {
	background.Service

	SenderOptions

	client *client
	end    context.CancelFunc // of the attempts, which outlive the loop
	work   sync.WaitGroup

	mu        sync.Mutex
	endpoints map[string]*endpoint
	attempts  int
}

// endpoint is what this process does about an endpoint.
type endpoint struct {
	attempts int
	failing  bool
}

// NewSender makes a sender. It does nothing before Start.
func NewSender(o SenderOptions) *Sender {
	if o.Schedule == (Schedule{}) {
		o.Schedule = DefaultSchedule()
	}
	s := &Sender{SenderOptions: o, client: newClient(o.Timeout, o.AllowPrivate), endpoints: make(map[string]*endpoint)}
	attempts, end := context.WithCancel(context.Background())
	s.end = end
	loop := background.Loop(func(ctx context.Context) { s.run(ctx, attempts) })
	s.Service = background.New(loop.Start, func(ctx context.Context) {
		loop.Stop(ctx)
		s.stop(ctx)
	})
	return s
}

// stop gives the attempts in progress a short time. One that is cut off is due
// again.
func (s *Sender) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	defer context.AfterFunc(ctx, s.end)()
	s.work.Wait()
	s.end()
	s.client.close()
}

// run begins attempts under their own context until ctx ends.
func (s *Sender) run(ctx, attempts context.Context) {
	ticker := time.NewTicker(sendEvery)
	defer ticker.Stop()
	down := false
	for {
		begun, err := s.round(ctx, attempts)
		if failed := err != nil && ctx.Err() == nil; failed != down {
			down = failed
			if failed {
				s.Log.Warn().Err(err).Msg("callbacks cannot be read; they wait")
			}
		}
		if err == nil && begun > 0 && ctx.Err() == nil {
			continue // there may be more
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// round begins attempts at what is due, and returns how many.
func (s *Sender) round(ctx, attempts context.Context) (begun int, err error) {
	due, err := s.Store.rdb.ZRangeArgs(ctx, redis.ZRangeArgs{
		Key: endpointsKey, ByScore: true, Start: "-inf", Stop: strconv.FormatInt(millis(s.Store.now()), 10), Count: endpointsRead,
	}).Result()
	if err != nil {
		return 0, unavailable("list endpoints", err)
	}
	for _, name := range due {
		n, err := s.claim(ctx, attempts, name)
		if err != nil {
			return begun, err
		}
		begun += n
	}
	return begun, nil
}

// claim begins attempts at what is due of an endpoint.
func (s *Sender) claim(ctx, attempts context.Context, name string) (begun int, err error) {
	room, lease := s.room(name), s.Timeout+leaseSlack
	if room == 0 {
		lease = endpointWait
	}
	ids, err := s.Store.claim.Run(ctx, s.Store.rdb, []string{endpointsKey, dueKey(name)}, name, room, lease.Milliseconds()).StringSlice()
	if err != nil {
		return 0, unavailable("claim deliveries", err)
	}
	for _, id := range ids {
		s.enter(name)
		s.work.Go(func() {
			defer background.ReportPanic(ctx)
			s.deliver(ctx, attempts, id, name)
		})
	}
	return len(ids), nil
}

// deliver makes attempts at an endpoint one after the other, as long as they succeed,
// more is due and other endpoints do not need the place.
func (s *Sender) deliver(ctx, attempts context.Context, id, name string) {
	delivered := s.attempt(attempts, id, name)
	for delivered {
		if id = s.another(ctx, name); id == "" {
			break
		}
		delivered = s.attempt(attempts, id, name)
	}
	s.leave(name, delivered)
}

// another leases one more delivery of an endpoint; empty: none.
func (s *Sender) another(ctx context.Context, name string) string {
	if ctx.Err() != nil || s.full() {
		return ""
	}
	lease := s.Timeout + leaseSlack
	ids, err := s.Store.claim.Run(ctx, s.Store.rdb, []string{endpointsKey, dueKey(name)}, name, 1, lease.Milliseconds()).StringSlice()
	if err != nil || len(ids) == 0 {
		return "" // the next round finds what is due
	}
	return ids[0]
}

// full reports whether all attempts of the process are in use.
func (s *Sender) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts >= attemptsMax
}

// room is how many more attempts at an endpoint may be in progress.
func (s *Sender) room(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	most, used := attemptsOfEndpoint, 0
	if e := s.endpoints[name]; e != nil {
		used = e.attempts
		if e.failing {
			most = attemptsOfFailing
		}
	}
	return max(0, min(most-used, attemptsMax-s.attempts))
}

func (s *Sender) enter(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.endpoints[name]
	if e == nil {
		e = &endpoint{}
		s.endpoints[name] = e
	}
	e.attempts++
	s.attempts++
}

func (s *Sender) leave(name string, delivered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.endpoints[name]
	e.attempts--
	e.failing = !delivered
	s.attempts--
	if e.attempts == 0 && (!e.failing || len(s.endpoints) > endpointsKnown) {
		delete(s.endpoints, name)
	}
}

// attempt makes one attempt at a delivery and records it.
func (s *Sender) attempt(ctx context.Context, id, name string) (delivered bool) {
	p, err := s.prepare(ctx, id)
	if err != nil {
		return false // it is due again when its lease ends
	}
	begun := time.Now()
	span := s.Tracer.Callback(p.trace, message.ID(p.delivery.MessageID))
	p.request.trace = span.Trace()
	r := p.result
	if r.outcome == "" {
		r = s.client.post(ctx, p.request, s.Schedule.After(p.delivery.Attempts+1))
	}
	if ctx.Err() != nil && r.outcome != outcomeDelivered {
		r = result{outcome: outcomeRetry} // cut off by the stop of the process
	}
	span.Delivered(string(p.delivery.Event), p.request.url, string(r.outcome), r.response)
	if r.attempted {
		s.Metrics.Attempted(string(r.outcome), time.Since(begun))
	}
	recording, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err := s.record(recording, name, p, r); err != nil {
		s.Log.Warn().Str("delivery_id", id).Err(err).Msg("attempt not recorded; it is made again")
	}
	return r.outcome == outcomeDelivered
}

// prepared is a delivery with all that an attempt needs, or with its result.
type prepared struct {
	delivery      Delivery
	configuration Configuration
	request       request
	trace         message.Trace // of the message
	result        result        // without an attempt
}

// prepare reads what an attempt needs.
func (s *Sender) prepare(ctx context.Context, id string) (p prepared, err error) {
	p.delivery, err = s.Store.delivery(ctx, id)
	if errors.Is(err, ErrNotFound) {
		p.delivery.ID, p.result = id, result{outcome: outcomeFailed}
		return p, nil
	}
	if err != nil {
		return prepared{}, err
	}
	if p.configuration, err = s.Store.withSecret(ctx, p.delivery.scope); err != nil {
		return prepared{}, err
	}
	p.request = request{id: id, url: p.delivery.own, at: s.Store.now(), secrets: p.configuration.secrets}
	if p.delivery.own == "" {
		p.request.url = p.configuration.URL
	}
	refusal, err := s.refusal(ctx, p)
	if err != nil {
		return prepared{}, err
	}
	if refusal != "" {
		p.result = result{outcome: outcomeFailed, error: refusal}
		return p, nil
	}
	p.request.body, p.trace, err = s.bodyOf(ctx, p.delivery)
	if errors.Is(err, ErrNotFound) {
		p.result, err = result{outcome: outcomeFailed, error: "the message is no longer kept"}, nil
	}
	return p, err
}

// refusal is why no attempt is made; empty: one is.
func (s *Sender) refusal(ctx context.Context, p prepared) (string, error) {
	if p.delivery.own == "" {
		switch {
		case p.configuration.URL == "":
			return "the callback was deleted", nil
		case !p.configuration.Enabled && p.delivery.Event != TypeTest:
			return "the callback is disabled", nil
		default:
			return "", nil
		}
	}
	gone, err := s.Store.rdb.HExists(ctx, seenKey(p.delivery.MessageID), "gone").Result()
	if err != nil {
		return "", unavailable("read progress", err)
	}
	if gone {
		return "the URL of the message has answered 410", nil
	}
	return "", nil
}

// bodyOf is the body of a delivery, and the trace of its message. It returns
// ErrNotFound when its message is gone.
func (s *Sender) bodyOf(ctx context.Context, d Delivery) ([]byte, message.Trace, error) {
	if d.data != "" {
		return body(d.Event, d.CreatedAt, []byte(d.data), 1), "", nil
	}
	if d.Event == TypeReceived {
		data, err := s.Show.Inbound(ctx, d.subject)
		if err != nil {
			return nil, "", err
		}
		return body(d.Event, d.CreatedAt, data, 1), "", nil
	}
	id, n, ok := entryOf(d.ID)
	if !ok {
		return nil, "", ErrNotFound
	}
	m, err := s.Ledger.Get(ctx, id)
	if err != nil {
		return nil, "", notFound(err)
	}
	for i := range m.Timeline {
		if m.EntryNumber(i) == n {
			return messageBody(s.Show, m, i), m.Trace, nil
		}
	}
	return nil, "", ErrNotFound
}

// reasons why a configuration is disabled.
const (
	reasonGone    = "the endpoint has answered 410 Gone"
	reasonFailing = "every attempt has failed for 5 days"
)

// record records what an attempt came to.
func (s *Sender) record(ctx context.Context, name string, p prepared, r result) error {
	d, keep := p.delivery, failedKept
	if r.outcome == outcomeDelivered {
		keep = deliveredKept
	}
	if r.gone && d.own != "" {
		if err := s.Store.rdb.HSet(ctx, seenKey(d.MessageID), "gone", 1).Err(); err != nil {
			return unavailable("record 410", err)
		}
	}
	response, reason := "", ""
	if r.response != 0 {
		response = strconv.Itoa(r.response)
	}
	if r.gone {
		reason = reasonGone
	}
	keys := []string{deliveryKey(d.ID), dueKey(name), endpointsKey, configKey(d.scope), scopesKey, countsKey}
	disabled, err := s.Store.finish.Run(ctx, s.Store.rdb, keys,
		d.ID, name, string(r.outcome), flag(r.attempted), s.Store.sealer.seal(p.request.url, attemptPlace(d.ID)), response, r.error,
		r.after.Milliseconds(), keep.Milliseconds(), flag(r.attempted && d.own == "" && d.Event != TypeTest),
		reason, s.Schedule.DisableAfter.Milliseconds(), reasonFailing, configured+d.scope, changedChannel).Text()
	if err != nil {
		return unavailable("record attempt", err)
	}
	if disabled == "1" {
		s.Metrics.Disabled()
		scope, _ := parseScope(d.scope)
		s.Log.Warn().Str("tenant", scope.Tenant).Bool("test", scope.Test).Bool("gone", r.gone).Msg("callback disabled: its endpoint fails")
	}
	return nil
}

func flag(set bool) string {
	if set {
		return "1"
	}
	return ""
}

// Schedule says when a delivery is tried again.
type Schedule struct {
	First        time.Duration // pause after the first failure; it doubles
	Most         time.Duration // longest pause
	DisableAfter time.Duration // how long a configuration may fail
}

// DefaultSchedule is that of the contract.
func DefaultSchedule() Schedule {
	const days = 5
	return Schedule{First: 5 * time.Second, Most: time.Hour, DisableAfter: days * 24 * time.Hour}
}
