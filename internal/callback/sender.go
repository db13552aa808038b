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
	// Fresh is how long a configuration is used after it was read, for deliveries that
	// were made before; zero: it is read for each.
	Fresh time.Duration
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
	// configurationsKnown is the number of configurations that a process caches.
	configurationsKnown = 1000
	// DefaultFresh is far below the 5 s within which a change is in force.
	DefaultFresh = 200 * time.Millisecond
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
	known     map[string]knownConfiguration // by scope
}

// knownConfiguration is a configuration as it was read.
type knownConfiguration struct {
	configuration Configuration
	at            time.Time
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
	s := &Sender{
		SenderOptions: o, client: newClient(o.Timeout, o.AllowPrivate),
		endpoints: make(map[string]*endpoint), known: make(map[string]knownConfiguration),
	}
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
	all, err := readClaimed(s.Store.claim.Run(ctx, s.Store.rdb, claimKeys(name), claimArgs(name, room, lease)...))
	if err != nil {
		return 0, unavailable("claim deliveries", err)
	}
	for _, one := range all {
		s.enter(name)
		s.work.Go(func() {
			defer background.ReportPanic(ctx)
			s.deliver(ctx, attempts, one, name)
		})
	}
	return len(all), nil
}

func claimKeys(name string) []string { return []string{endpointsKey, dueKey(name)} }

func claimArgs(name string, most int, lease time.Duration) []any {
	return []any{name, most, lease.Milliseconds(), deliveryKeyPrefix}
}

// claimed is a delivery that is leased, as its record is then.
type claimed struct {
	id     string
	fields map[string]string // empty: there is none
}

// readClaimed reads the answer of the script that claims.
func readClaimed(cmd *redis.Cmd) ([]claimed, error) {
	lists, err := cmd.Slice()
	if err != nil {
		return nil, err //nolint:wrapcheck // by the caller
	}
	all := make([]claimed, len(lists))
	for i, list := range lists {
		texts, _ := list.([]any)
		all[i].fields = make(map[string]string, len(texts)/2)
		for k := range texts {
			text, _ := texts[k].(string)
			switch {
			case k == 0:
				all[i].id = text
			case k%2 == 0:
				name, _ := texts[k-1].(string)
				all[i].fields[name] = text
			}
		}
	}
	return all, nil
}

// deliver makes attempts at an endpoint one after the other, as long as they succeed,
// more is due and other endpoints do not need the place.
func (s *Sender) deliver(ctx, attempts context.Context, one claimed, name string) {
	delivered := false
	for one.id != "" {
		delivered, one = s.attempt(ctx, attempts, one, name)
	}
	s.leave(name, delivered)
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

// attempt makes one attempt at a delivery and records it. After a success it leases
// one more, unless ctx has ended or other endpoints need the place.
func (s *Sender) attempt(ctx, attempts context.Context, one claimed, name string) (delivered bool, next claimed) {
	p, err := s.prepare(attempts, one)
	if err != nil {
		return false, claimed{} // it is due again when its lease ends
	}
	begun := time.Now()
	span := s.Tracer.Callback(p.trace, message.ID(p.delivery.MessageID))
	p.request.trace = span.Trace()
	r := p.result
	if r.outcome == "" {
		r = s.client.post(attempts, p.request, s.Schedule.After(p.delivery.Attempts+1))
	}
	if attempts.Err() != nil && r.outcome != outcomeDelivered {
		r = result{outcome: outcomeRetry} // cut off by the stop of the process
	}
	span.Delivered(string(p.delivery.Event), p.request.url, string(r.outcome), r.response)
	if r.attempted {
		s.Metrics.Attempted(string(r.outcome), time.Since(begun))
	}
	delivered = r.outcome == outcomeDelivered
	recording, cancel := context.WithTimeout(context.WithoutCancel(attempts), recordTimeout)
	defer cancel()
	next, err = s.record(recording, name, p, r, delivered && ctx.Err() == nil && !s.full())
	if err != nil {
		s.Log.Warn().Str("delivery_id", one.id).Err(err).Msg("attempt not recorded; it is made again")
	}
	return delivered, next
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
func (s *Sender) prepare(ctx context.Context, one claimed) (p prepared, err error) {
	id := one.id
	p.delivery, err = s.Store.readDelivery(id, one.fields)
	if errors.Is(err, ErrNotFound) {
		p.delivery.ID, p.result = id, result{outcome: outcomeFailed}
		return p, nil
	}
	if err != nil {
		return prepared{}, err
	}
	if p.configuration, err = s.configuration(ctx, p.delivery); err != nil {
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

// configuration is that of a delivery, no older than the delivery and no older than
// Fresh.
func (s *Sender) configuration(ctx context.Context, d Delivery) (Configuration, error) {
	now := s.Store.now()
	s.mu.Lock()
	known := s.known[d.scope]
	s.mu.Unlock()
	if now.Sub(known.at) < s.Fresh && known.at.After(d.CreatedAt) {
		return known.configuration, nil
	}
	c, err := s.Store.withSecret(ctx, d.scope)
	if err != nil || s.Fresh <= 0 {
		return c, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= configurationsKnown {
		clear(s.known)
	}
	s.known[d.scope] = knownConfiguration{configuration: c, at: now}
	return c, nil
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

// record records what an attempt came to, and with more leases one more delivery of the
// endpoint.
func (s *Sender) record(ctx context.Context, name string, p prepared, r result, more bool) (next claimed, err error) {
	d, keep := p.delivery, failedKept
	if r.outcome == outcomeDelivered {
		keep = deliveredKept
	}
	if r.gone && d.own != "" {
		if err := s.Store.rdb.HSet(ctx, seenKey(d.MessageID), "gone", 1).Err(); err != nil {
			return next, unavailable("record 410", err)
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
	args := []any{
		d.ID, name, string(r.outcome), flag(r.attempted), s.Store.sealer.seal(p.request.url, attemptPlace(d.ID)), response, r.error,
		r.after.Milliseconds(), keep.Milliseconds(), flag(r.attempted && d.own == "" && d.Event != TypeTest),
		reason, s.Schedule.DisableAfter.Milliseconds(), reasonFailing, configured + d.scope, changedChannel,
	}
	finished, claim := s.finishAndClaim(ctx, name, keys, args, more)
	disabled, err := finished.Text()
	if err != nil {
		return next, unavailable("record attempt", err)
	}
	if disabled == "1" {
		s.Metrics.Disabled()
		scope, _ := parseScope(d.scope)
		s.Log.Warn().Str("tenant", scope.Tenant).Bool("test", scope.Test).Bool("gone", r.gone).Msg("callback disabled: its endpoint fails")
	}
	if claim == nil {
		return next, nil
	}
	if all, err := readClaimed(claim); err == nil && len(all) > 0 {
		next = all[0]
	}
	return next, nil // the next round finds what is due
}

// finishAndClaim runs both scripts in one round trip; without more the second is nil.
func (s *Sender) finishAndClaim(ctx context.Context, name string, keys []string, args []any, more bool) (finished, claim *redis.Cmd) {
	if !more {
		return s.Store.finish.Run(ctx, s.Store.rdb, keys, args...), nil
	}
	pipe := s.Store.rdb.Pipeline()
	claiming := claimArgs(name, 1, s.Timeout+leaseSlack)
	finished = s.Store.finish.EvalSha(ctx, pipe, keys, args...)
	claim = s.Store.claim.EvalSha(ctx, pipe, claimKeys(name), claiming...)
	_, _ = pipe.Exec(ctx) // each command has its own error
	if redis.HasErrorPrefix(finished.Err(), noScript) {
		finished = s.Store.finish.Run(ctx, s.Store.rdb, keys, args...)
	}
	if redis.HasErrorPrefix(claim.Err(), noScript) {
		claim = s.Store.claim.Run(ctx, s.Store.rdb, claimKeys(name), claiming...)
	}
	return finished, claim
}

// noScript begins the error of a script that Redis does not have.
const noScript = "NOSCRIPT"

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
