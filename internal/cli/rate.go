package cli

import (
	"errors"
	"fmt"
	"os/user"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"mmsdispatch/internal/config"
	"mmsdispatch/internal/redisconn"
	"mmsdispatch/internal/throttle"
)

// errReason asks for the reason of a change that all tenants notice.
var errReason = errors.New("--reason is required: who looks at the pace later has to know why it was changed")

// rateReset is the argument that returns to SINCH_RATE.
const rateReset = "reset"

// newRate shows and changes the pace of all workers.
func newRate() *cobra.Command {
	var reason, actor string
	cmd := &cobra.Command{
		Use:   "rate [N|reset]",
		Short: "Show the pace in force, set it for all workers (N messages per second), or return to SINCH_RATE",
		Example: "  mmsctl rate\n" +
			"  mmsctl rate 25 --reason 'Sinch raised our limit'\n" +
			"  mmsctl rate reset",
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: []string{rateReset},
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := config.FromOS(config.Ctl)
			if err != nil {
				return fmt.Errorf("configuration: %w", err)
			}
			opts, err := redisconn.Parse(cfg.Store.RedisURL.Reveal())
			if err != nil {
				return fmt.Errorf("REDIS_URL: %w", err)
			}
			rdb := redisconn.New(opts)
			defer rdb.Close()
			if len(args) > 0 {
				if err := changeRate(cmd, rdb, args[0], reason, actor); err != nil {
					return err
				}
			}
			return showRate(cmd, rdb, cfg.Sinch.Rate)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why the pace changes; required with N")
	cmd.Flags().StringVar(&actor, "as", "", "name to act under (default: the operating system's user)")
	return cmd
}

func changeRate(cmd *cobra.Command, rdb redis.UniversalClient, to, reason, actor string) error {
	if to == rateReset {
		return throttle.ResetRate(cmd.Context(), rdb, "")
	}
	perSecond, err := strconv.ParseFloat(to, 64)
	if err != nil {
		return fmt.Errorf("%q is neither a number nor reset: %w", to, throttle.ErrRate)
	}
	if reason == "" {
		return errReason
	}
	return throttle.SetRate(cmd.Context(), rdb, "", throttle.Rate{
		PerSecond: perSecond, Reason: reason, Actor: actorName(actor), Since: time.Now(),
	})
}

// actorName is the name that an operator acts under.
func actorName(given string) string {
	if given != "" {
		return given
	}
	if current, err := user.Current(); err == nil {
		return current.Username
	}
	return "unknown"
}

func showRate(cmd *cobra.Command, rdb redis.UniversalClient, configured float64) error {
	set, err := throttle.CurrentRate(cmd.Context(), rdb, "")
	switch {
	case err != nil:
		return err
	case set == nil:
		fmt.Fprintf(cmd.OutOrStdout(), "%s (SINCH_RATE)\n", perSecondText(configured))
	default:
		fmt.Fprintf(cmd.OutOrStdout(), "%s (set by %s at %s: %s); SINCH_RATE is %s\n",
			perSecondText(set.PerSecond), set.Actor, set.Since.UTC().Format(time.RFC3339), set.Reason, perSecondText(configured))
	}
	return nil
}

func perSecondText(rate float64) string {
	if rate == 0 {
		return "no limit"
	}
	return strconv.FormatFloat(rate, 'f', -1, 64) + " per second"
}
