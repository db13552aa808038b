package cli

import (
	"fmt"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/batches"
	"mmsdispatch/internal/sinchsim/conversation"
	"mmsdispatch/internal/sinchsim/mms"
)

// newSimulator runs a simulated Sinch for tests.
func newSimulator() *cobra.Command {
	var o sinchsim.Options
	var receipts, latency, level string
	cmd := &cobra.Command{
		Use:   "simulator",
		Short: "Run a simulated Sinch whose responses can be scripted, for tests",
		Long: "Runs a simulation of Sinch's MMS JSON, SMS REST and Conversation APIs. It sends receipts, responds by the\n" +
			"last four digits of the recipient, and is scripted under /sim/. See docs/simulator.md.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			parsed, err := sinchsim.ParseLatency(latency)
			if err != nil {
				return fmt.Errorf("--latency: %w", err)
			}
			lvl, err := zerolog.ParseLevel(level)
			if err != nil {
				return fmt.Errorf("--log-level: %w", err)
			}
			o.Latency = parsed
			o.Logger = zerolog.New(cmd.ErrOrStderr()).Level(lvl).With().Timestamp().Str("process", "simulator").Logger()
			o.MMS.CallbackURL, o.Batches.CallbackURL, o.Conversation.CallbackURL = receipts, receipts, receipts
			o.Conversation.Secret = o.Batches.Secret
			return sinchsim.New(o, mms.New, batches.New, conversation.New).Run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Addr, "addr", sinchsim.DefaultAddr, "address to listen on")
	f.StringVar(&o.ControlAddr, "control-addr", "", "address of the control API; empty: the same")
	f.StringVar(&receipts, "receipts-url", "", "where receipts go, with ?token= if one is set")
	f.StringVar(&latency, "latency", "0s", "time before every response: 150ms, or a range or distribution as in docs/simulator.md")
	f.DurationVar(&o.Receipts.FirstWithin, "first-receipt", sinchsim.DefaultFirstWithin,
		"longest time until the first receipt; negative: at once")
	f.DurationVar(&o.Receipts.Step, "receipt-step", sinchsim.DefaultStep, "time between two receipts of a message; negative: none")
	f.DurationVar(&o.MMS.RetryAfter, "mms-retry-after", sinchsim.DefaultMMSRetryAfter, "pause before a postback is repeated")
	f.DurationVar(&o.MMS.EncodeTime, "encode-time", sinchsim.DefaultEncodeTime,
		"time until saved audio and video is ready; negative: at once")
	f.DurationVar(&o.Batches.RetryAfter, "batches-retry-after", sinchsim.DefaultXMSRetryAfter, "first pause before a report is repeated")
	f.DurationVar(&o.Conversation.RetryAfter, "conversation-retry-after", sinchsim.DefaultConversationRetryAfter,
		"first pause before a report of the Conversation API is repeated")
	f.StringVar(&o.Conversation.Project, "project", "", "project of the Conversation API to accept; empty: any")
	f.StringVar(&o.Conversation.App, "app", "", "app to accept; empty: any")
	f.StringVar(&o.Conversation.KeyID, "key-id", "", "id of the access key to accept; empty: any")
	f.StringVar(&o.Conversation.KeySecret, "key-secret", "", "secret of the access key to accept; empty: any")
	f.DurationVar(&o.Conversation.TokenLife, "token-life", sinchsim.DefaultTokenLife, "how long an access token is valid")
	f.IntVar(&o.Conversation.RetentionDays, "retention-days", 0, "dispatch retention of the app; 0: nothing can be looked up")
	f.StringVar(&o.MMS.APIKey, "api-key", "", "x-api-key to accept; empty: any")
	f.StringVar(&o.Batches.Token, "token", "", "Bearer token to accept; empty: any")
	f.StringVar(&o.Batches.Secret, "secret", "", "secret that signs delivery reports; empty: unsigned")
	f.Float64Var(&o.Rate, "rate", 0, "recipients per second above which calls are throttled; 0: no limit")
	f.BoolVar(&o.CountsOnly, "counts-only", false, "keep totals only, for benchmarks")
	f.BoolVar(&o.KeepBodies, "keep-bodies", false, "show the body of each call in /sim/calls")
	f.Uint64Var(&o.Seed, "seed", 0, "makes ids and times repeatable; 0: random")
	f.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	completeValues(cmd, "log-level", "debug", "info", "warn", "error")
	return cmd
}
