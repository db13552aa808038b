package app

import (
	"fmt"
	"strings"

	"mmsdispatch/internal/apikey"
	"mmsdispatch/internal/background"
	"mmsdispatch/internal/config"
	"mmsdispatch/internal/console/pages"
	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/status"
)

// scopesOfKeys are the scopes of all API keys.
func (e *environment) scopesOfKeys() status.Scopes {
	s := status.Scopes{Redis: e.rdb, Keys: apikey.NewStore(e.rdb)}
	for _, k := range e.cfg.API.Keys.List() {
		s.Configured = append(s.Configured, message.Scope{
			Tenant: k.Tenant, Test: strings.HasPrefix(k.Key.Reveal(), apikey.TestPrefix),
		})
	}
	return s
}

// console builds the pages under /console/.
func (e *environment) console() (*pages.Handler, error) {
	scopes := e.scopesOfKeys()
	opts := pages.Options{
		Redis: e.rdb, Ledger: e.ledger, Callbacks: e.callbacks, OptOuts: e.optOuts, Keys: scopes.Keys, Rules: newRules(e.cfg),
		Status: &status.Reader{
			Redis: e.rdb, Ledger: e.ledger, Callbacks: e.callbacks, Scopes: scopes, Rate: e.cfg.Sinch.Rate, Now: e.clock.Now,
		},
		Replays: e.replays(),
		Tasks:   queue.New(e.rdb, e.cfg.Worker.TaskTimeout), Senders: e.senders(), Now: e.clock.Now,
		APIs:  []string{string(sinch.APIMMS), string(sinch.APIBatches), string(sinch.APIConversation)},
		Write: e.cfg.Admin.Write, Logged: e.hasLog(), Log: e.log,
	}
	if e.hasLog() {
		opts.History = e.messages
	}
	h, err := pages.New(opts)
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	return h, nil
}

// senders are the numbers that messages are sent from.
func (e *environment) senders() []pages.Sender {
	limits := senderLimits(e.cfg.Sinch)
	senders := make([]pages.Sender, 0, 1+len(e.cfg.Sinch.Senders))
	for _, sender := range append(config.Senders{e.cfg.Sinch.Number}, e.cfg.Sinch.Senders...) {
		number := string(sender)
		if number == "" {
			continue
		}
		limit := limits[strings.TrimPrefix(number, "+")]
		senders = append(senders, pages.Sender{Number: number, PerSecond: limit.PerSecond, Daily: limit.Daily})
	}
	return senders
}

// sampler samples the counts that the console shows as rates.
func (e *environment) sampler() part {
	sampler := status.Sampler{Redis: e.rdb, Ledger: e.ledger, Scopes: e.scopesOfKeys(), Now: e.clock.Now, Log: e.log}
	return part{name: "samples of the counts", Service: background.Loop(sampler.Run)}
}
