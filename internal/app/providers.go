package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/background"
	"mmsdispatch/internal/config"
	"mmsdispatch/internal/jobs/receipts"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/batches"
	"mmsdispatch/internal/sinch/conversation"
	"mmsdispatch/internal/sinch/mmsjson"
	"mmsdispatch/internal/sinch/receipt"
	"mmsdispatch/internal/sinch/wire"
	"mmsdispatch/internal/sinchsim"
	simbatches "mmsdispatch/internal/sinchsim/batches"
	simconversation "mmsdispatch/internal/sinchsim/conversation"
	simmms "mmsdispatch/internal/sinchsim/mms"
)

// routes chooses the provider of a message. A message of a test key never
// reaches Sinch.
type routes struct {
	live, test sinch.Provider
	simulated  bool // live messages go to the simulator, too
}

// For implements dispatch.Providers.
func (r *routes) For(m *message.Message) sinch.Provider {
	if r.free(m) {
		return r.test
	}
	return r.live
}

// free reports whether the message never reaches Sinch.
func (r *routes) free(m *message.Message) bool { return r.simulated || m.Scope.Test }

// errNoProvider is a fault of the configuration check.
var errNoProvider = errors.New("no provider for SINCH_API")

// newRoutes builds the configured providers: requests to Sinch use client, those
// to the built-in simulator use simulated.
func newRoutes(cfg *config.Config, client, simulated *wire.Client) (*routes, error) {
	test := mmsjson.New(mmsjson.Options{
		API:     sinch.APISimulator,
		BaseURL: simulatorURL, APIKey: "simulator", DefaultSubject: string(cfg.Message.DefaultSubject), Client: simulated,
	})
	switch sinch.API(cfg.Sinch.API) {
	case sinch.APISimulator:
		return &routes{live: test, test: test, simulated: true}, nil
	case sinch.APIMMS:
		live := mmsjson.New(mmsjson.Options{
			BaseURL: string(cfg.Sinch.BaseURL), APIKey: cfg.Sinch.APIToken.Reveal(), CampaignID: string(cfg.Sinch.CampaignID),
			DefaultSubject: string(cfg.Message.DefaultSubject), Client: client,
		})
		return &routes{live: live, test: test}, nil
	case sinch.APIBatches:
		live := batches.New(batches.Options{
			BaseURL: string(cfg.Sinch.BaseURL), Region: cfg.Sinch.Region, Plan: string(cfg.Sinch.ServicePlanID),
			Token: cfg.Sinch.APIToken.Reveal(), CallbackURL: callbackURL(cfg), Client: client,
		})
		return &routes{live: live, test: test}, nil
	case sinch.APIConversation:
		live := conversation.New(conversation.Options{
			BaseURL: string(cfg.Sinch.BaseURL), Region: cfg.Sinch.Region,
			ProjectID: string(cfg.Sinch.ProjectID), AppID: string(cfg.Sinch.AppID),
			AuthURL: string(cfg.Sinch.AuthURL), KeyID: string(cfg.Sinch.KeyID), KeySecret: cfg.Sinch.KeySecret.Reveal(),
			CallbackURL: callbackURL(cfg), Client: client,
		})
		return &routes{live: live, test: test}, nil
	}
	return nil, fmt.Errorf("%w=%s", errNoProvider, cfg.Sinch.API)
}

// savesShared reports whether shared content of batches is stored at Sinch. Only
// the mms API offers that.
func savesShared(cfg *config.Config) bool { return sinch.API(cfg.Sinch.API) == sinch.APIMMS }

// callbackURL is the URL for receipts in requests to Sinch.
func callbackURL(cfg *config.Config) string {
	to := cfg.ReceiptURL()
	if to == nil {
		return ""
	}
	return to.String()
}

// simulatorURL is the base URL of the built-in simulator. Its client dials the
// simulator for any host; the name keeps a port out of the address.
const simulatorURL = "http://simulator.internal"

// simulatedHang bounds the time for which a request to a hanging magic number
// occupies a slot of the worker.
const simulatedHang = time.Second

// simulator is the built-in Sinch for test keys. It listens in memory, on no
// port, and delivers receipts in process.
type simulator struct {
	receipts *receipts.Receiver
	log      zerolog.Logger

	listener *sinchsim.MemoryListener
	client   *wire.Client
}

// newSimulator returns the simulator and its client.
func newSimulator(env *environment) *simulator {
	listener := sinchsim.NewMemoryListener()
	return &simulator{
		receipts: receipts.New(env.ledger, env.optOuts, env.saved, env.tracer, env.log), log: env.log, listener: listener,
		client: wire.New(wire.Options{
			Connections: env.cfg.Worker.Concurrency,
			Dial:        listener.DialContext,
			Proxy:       func(*http.Request) (*url.URL, error) { return nil, nil },
		}),
	}
}

func (s *simulator) part() part {
	serving := background.Loop(s.serve)
	return part{name: "simulator", Service: background.New(serving.Start, func(ctx context.Context) {
		s.client.Close()
		serving.Stop(ctx)
	})}
}

func (s *simulator) serve(ctx context.Context) {
	sim := sinchsim.New(sinchsim.Options{
		Logger:     s.log,
		CountsOnly: true,
		NoControl:  true, // no client could reach it
		HangLimit:  simulatedHang,
		Receipts:   sinchsim.ReceiptOptions{Deliver: s.deliver},
	}, simmms.New, simbatches.New, simconversation.New)
	if err := sim.Serve(ctx, s.listener, nil); err != nil {
		s.log.Error().Err(err).Msg("simulator failed")
	}
}

// deliver applies a receipt of the simulator, which repeats it after an error.
func (s *simulator) deliver(ctx context.Context, r sinchsim.Receipt) error {
	_, all, err := receipt.Parse(r.Body)
	if err != nil {
		return fmt.Errorf("simulated receipt: %w", err)
	}
	for _, one := range all {
		one.Shape = receipt.ShapeSimulator // matches no attempt made through Sinch
		if _, err := s.receipts.Apply(ctx, one); err != nil {
			return fmt.Errorf("simulated receipt: %w", err)
		}
	}
	return nil
}
