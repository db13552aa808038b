package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/apikey"
	"mmsdispatch/internal/background"
	"mmsdispatch/internal/callback"
	"mmsdispatch/internal/config"
	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/jobs/receipts"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/mediastore"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/pause"
	"mmsdispatch/internal/quiet"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/telemetry"
)

// apiConns is the greatest number of Redis connections of an api process.
const apiConns = 64

// newAPI builds an api process.
func newAPI(_ context.Context, cfg *config.Config, out io.Writer) (*process, error) {
	env, err := newEnvironment(cfg, out, apiConns)
	if err != nil {
		return nil, err
	}
	p := newProcess(env.log, cfg.Worker.ShutdownTimeout)
	p.panicked = env.panicked()
	p.add(env.exports())
	p.add(closer("redis", env.log, env.rdb.Close), env.watch.part(), env.clockPart(), env.scopesPart(), env.numberKey())
	p.add(env.logPart()...)
	adminParts, err := env.admin(p.fail)
	if err != nil {
		return nil, err
	}
	serving, err := servingParts(env, p.fail)
	if err != nil {
		return nil, err
	}
	p.add(adminParts...)
	p.add(serving...)
	p.add(env.readiness())
	return p, nil
}

// servingParts returns the public listener and the check for keys.
func servingParts(env *environment, fail func(error)) ([]part, error) {
	cfg := env.cfg
	store := apikey.NewStore(env.rdb)
	verifier, err := apikey.NewVerifier(bootstrapped(cfg), store)
	if err != nil {
		return nil, fmt.Errorf("API_KEYS: %w", err)
	}
	tasks := queue.New(env.rdb, cfg.Worker.TaskTimeout)
	streams := callback.NewStreams(env.rdb, env.callbacks, env.scopes)
	opts := apiOptions(env, tasks, verifier, streams)
	parts := []part{{name: "tasks under way", Service: background.AtStop(func(context.Context) { tasks.Wait() })}}
	if cfg.Process != config.Dev { // whose Redis does not report its memory
		parts = append(parts, part{name: "watch of Redis' memory", Service: background.Loop(env.ledger.WatchMemory)})
	}
	hosted, storeParts, err := newMediaStore(env)
	if err != nil {
		return nil, err
	}
	if hosted != nil {
		opts.Uploads = uploads{Store: hosted, cache: mediastore.NewCache(hosted, hostedBytes)}
		parts = append(parts, storeParts...)
	}
	if cfg.Media.Check == mediaAccept && cfg.Media.Fit == fitOff {
		shared, closing := newMedia(env)
		opts.Media = newAPIMedia(cfg, shared)
		parts = append(parts, closing)
	}
	handler, err := httpapi.New(opts)
	if err != nil {
		return nil, fmt.Errorf("http api: %w", err)
	}
	parts = append(parts, followKeys(verifier, env.rdb), publicListener(env, handler, fail),
		part{name: "streams of events", Service: streams})
	if len(cfg.API.Keys.List()) == 0 {
		parts = append(parts, keyCheck(store, fail))
	}
	return parts, nil
}

// apiOptions are those of the public API that need no further connection.
func apiOptions(env *environment, tasks *queue.Queue, verifier *apikey.Verifier, streams *callback.Streams) httpapi.Options {
	cfg := env.cfg
	opts := httpapi.Options{
		Ledger: env.ledger, Batches: env.ledger, Replays: env.replays(),
		Dispatcher:  tasks,
		Keys:        keys{verifier},
		Limiter:     httpapi.NewRateLimit(env.rdb),
		Rate:        cfg.API.RateLimit,
		Rules:       newRules(cfg),
		Quiet:       newQuiet(cfg),
		Receipts:    receipts.New(env.ledger, env.optOuts, env.saved, env.tracer, env.log),
		OptOuts:     env.optOuts,
		Inbound:     env.inbound,
		HelpText:    string(cfg.Message.HelpText),
		Pauses:      pause.NewStore(env.rdb),
		Nonces:      httpapi.NewRedisNonces(env.rdb, cfg.Webhook.MaxAge, cfg.Process == config.Dev),
		Ready:       env.ready,
		Paused:      env.paused,
		Metrics:     apiMetrics{env.metrics},
		Tracer:      env.tracer,
		Log:         env.log,
		MaxRequests: publicConns, TrustedProxies: cfg.API.TrustedProxies.Prefixes(),
		FindShared: savesShared(cfg),
		NowFunc:    env.clock.Now,
		ShareCalls: cfg.Sinch.API == string(sinch.APIBatches),
		Events:     streams,
		Callbacks:  env.callbacks, CallbackRules: httpapi.NewCallbackRules(cfg.Callback.AllowPrivate),
		Webhook: httpapi.WebhookOptions{
			Token: cfg.Webhook.Token.Reveal(), Secret: cfg.Webhook.Secret.Reveal(), User: string(cfg.Webhook.User),
			Password: cfg.Webhook.Password.Reveal(), MaxAge: cfg.Webhook.MaxAge, Insecure: cfg.Webhook.Insecure,
		},
	}
	if env.hasLog() {
		opts.LongLog, opts.Erasures = env.messages, env.erasures()
	}
	return opts
}

// paused returns the reason of messages that wait while the account is paused, or
// nil.
func (e *environment) paused() *message.Reason {
	current := e.pauses.Paused()
	if current == nil {
		return nil
	}
	return &message.Reason{Code: message.ReasonAccount, Message: "Waits: Sinch refuses the account.", SinchCode: current.SinchCode}
}

func bootstrapped(cfg *config.Config) []apikey.Bootstrapped {
	configured := cfg.API.Keys.List()
	listed := make([]apikey.Bootstrapped, 0, len(configured))
	for _, k := range configured {
		listed = append(listed, apikey.Bootstrapped{Tenant: k.Tenant, Key: k.Key.Reveal()})
	}
	return listed
}

func newRules(cfg *config.Config) *message.Rules {
	opts := message.RuleOptions{
		DefaultRegion:  string(cfg.Message.DefaultRegion),
		ExtraAreaCodes: cfg.Message.ExtraAreaCodes.Countries(),
		Sender:         string(cfg.Sinch.Number),
		SenderTenants:  cfg.Sinch.SenderTenants.Canonical(),
		SingleMedia:    cfg.Sinch.API == string(sinch.APIBatches) || cfg.Sinch.API == string(sinch.APIConversation),
		NoFallbackText: cfg.Sinch.API == string(sinch.APIBatches),
	}
	for _, sender := range cfg.Sinch.Senders {
		opts.Senders = append(opts.Senders, string(sender))
	}
	for _, region := range cfg.Message.Destinations.Regions() {
		opts.Destinations = append(opts.Destinations, string(region))
	}
	if cfg.Message.Destinations.Any() {
		opts.Destinations = []string{"*"}
	}
	return message.NewRules(opts)
}

// newQuiet returns the rules of quiet hours; nil: there are none.
func newQuiet(cfg *config.Config) *quiet.Rules {
	hours, on := cfg.Message.QuietHours.Hours()
	if !on {
		return nil
	}
	return quiet.NewRules(hours, cfg.Message.QuietZone.Location())
}

// followKeys makes changes of stored keys take effect at once.
func followKeys(verifier *apikey.Verifier, rdb redis.UniversalClient) part {
	return part{name: "changes of keys", Service: background.Loop(func(ctx context.Context) { verifier.Follow(ctx, rdb) })}
}

// keyCheckEvery is the interval between tries until Redis responds.
const keyCheckEvery = time.Second

// errNoKeys stops an api without any key.
var errNoKeys = errors.New("no API keys: set API_KEYS, or store one with mmsctl keys create")

// keyCheck ends the process when no key is configured and none is stored, as soon
// as Redis responds.
func keyCheck(store *apikey.Store, fail func(error)) part {
	return part{name: "key check", Service: background.Loop(func(ctx context.Context) {
		ticker := time.NewTicker(keyCheckEvery)
		defer ticker.Stop()
		for {
			stored, err := store.Any(ctx)
			if err == nil && !stored {
				fail(errNoKeys)
			}
			if err == nil {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	})}
}

// keys adapts the verifier to httpapi.Keys.
type keys struct{ verifier *apikey.Verifier }

// Identify implements httpapi.Keys.
func (k keys) Identify(ctx context.Context, key string) (httpapi.Caller, error) {
	p, err := k.verifier.Verify(ctx, key)
	switch {
	case errors.Is(err, apikey.ErrUnknown):
		return httpapi.Caller{}, httpapi.ErrUnknownKey
	case err != nil:
		return httpapi.Caller{}, fmt.Errorf("identify caller: %w", err)
	default:
		return httpapi.Caller{
			Scope: message.Scope{Tenant: p.Tenant, Test: p.Test}, KeyID: p.KeyID, Rate: p.Rate,
			Quota: ledger.Quota{Name: p.Quota, Daily: p.Daily},
			Send:  p.Scopes.Has(apikey.ScopeSend), Read: p.Scopes.Has(apikey.ScopeRead),
		}, nil
	}
}

// apiMetrics adapts the metrics to httpapi.Metrics.
type apiMetrics struct{ metrics *telemetry.Metrics }

// RequestBegan implements httpapi.Metrics.
func (m apiMetrics) RequestBegan() { m.metrics.HTTP.Began() }

// RequestEnded implements httpapi.Metrics.
func (m apiMetrics) RequestEnded() { m.metrics.HTTP.Ended() }

// Request implements httpapi.Metrics.
func (m apiMetrics) Request(method, route string, status int, took time.Duration) {
	m.metrics.HTTP.Observe(method, route, status, took)
}

// Message implements httpapi.Metrics.
func (m apiMetrics) Message(lane, result string) {
	switch result {
	case "accepted":
		m.metrics.Accept.Accepted(lane, 1)
	case "duplicate":
		m.metrics.Accept.Duplicate(lane, 1)
	default:
		m.metrics.Accept.Rejected(lane, 1)
	}
}

// Receipt implements httpapi.Metrics.
func (m apiMetrics) Receipt(shape, result string) { m.metrics.Receipts.Received(shape, result) }

// WebhookRefused implements httpapi.Metrics.
func (m apiMetrics) WebhookRefused(shape, check string) { m.metrics.Webhooks.Refused(shape, check) }
