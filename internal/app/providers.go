package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/config"
	"mmsdispatch/internal/jobs"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/batches"
	"mmsdispatch/internal/sinch/conversation"
	"mmsdispatch/internal/sinch/mmsjson"
	"mmsdispatch/internal/sinch/receipt"
	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinch/wire"
)

// webhookPath is where Sinch posts receipts.
const webhookPath = "/webhooks/sinch/dlr"

// routes chooses the way of a message: a test key's never reaches Sinch.
type routes struct {
	live, test sinch.Provider
	simulated  bool // live messages go to the simulator, too
}

// For implements jobs.Providers.
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

// newRoutes makes the providers a configuration asks for.
func newRoutes(cfg *config.Config, client *wire.Client, simulator string) (*routes, error) {
	test := mmsjson.New(mmsjson.Options{
		API:     sinch.APISimulator,
		BaseURL: simulator, APIKey: "simulator", DefaultSubject: string(cfg.Message.DefaultSubject), Client: client,
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

// savesShared reports whether what the rows of a batch share is saved at Sinch:
// of its APIs only that one can.
func savesShared(cfg *config.Config) bool { return sinch.API(cfg.Sinch.API) == sinch.APIMMS }

// callbackURL is where Sinch is asked to post the receipts of a call.
func callbackURL(cfg *config.Config) string {
	if cfg.Sinch.CallbackURL == "" {
		return ""
	}
	url := string(cfg.Sinch.CallbackURL) + webhookPath
	if token := cfg.Webhook.Token.Reveal(); token != "" {
		url += "?token=" + token
	}
	return url
}

// simulator is the built-in Sinch for test keys. It listens on a loopback port
// of its own and hands receipts over in process.
type simulator struct {
	receipts *jobs.Receipts
	log      zerolog.Logger

	listener net.Listener
	cancel   context.CancelFunc
	wg       sync.WaitGroup
}

// listen opens the port, so that its address is known to the providers.
func (s *simulator) listen(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("simulator: %w", err)
	}
	s.listener = listener
	return "http://" + listener.Addr().String(), nil
}

func (s *simulator) start(context.Context) error {
	sim := sinchsim.New(sinchsim.Options{
		Logger:     s.log,
		CountsOnly: true,
		NoControl:  true, // it is nobody's to steer
		Receipts:   sinchsim.ReceiptOptions{Deliver: s.deliver},
	})
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.wg.Go(func() {
		if err := sim.Serve(ctx, s.listener, nil); err != nil {
			s.log.Error().Err(err).Msg("simulator failed")
		}
	})
	return nil
}

func (s *simulator) stop(context.Context) {
	s.cancel()
	s.wg.Wait()
}

// deliver takes a receipt of the simulator; an error has it come again.
func (s *simulator) deliver(ctx context.Context, r sinchsim.Receipt) error {
	_, all, err := receipt.Parse(r.Body)
	if err != nil {
		return fmt.Errorf("simulated receipt: %w", err)
	}
	for _, one := range all {
		if _, err := s.receipts.Apply(ctx, one); err != nil {
			return fmt.Errorf("simulated receipt: %w", err)
		}
	}
	return nil
}
