package cli

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/throttle"
)

// errReason is the error for a change of the pace without a reason, which affects
// all tenants.
var errReason = errors.New("--reason is required: the next operator has to know why")

// rateReset is the argument that returns to SINCH_RATE.
const rateReset = "reset"

// newRate shows and changes the pace of all workers.
func newRate() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "rate [N|reset]",
		Short: "Show the pace in force, set it for all workers (N messages per second), or return to SINCH_RATE",
		Example: "  mmsctl rate\n" +
			"  mmsctl rate 25 --reason 'Sinch raised our limit'\n" +
			"  mmsctl rate reset",
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: []string{rateReset},
		RunE: withRedis(func(cmd *cobra.Command, args []string, s session) error {
			if len(args) > 0 {
				if err := changeRate(cmd, s, args[0], reason); err != nil {
					return err
				}
			}
			return showRate(cmd, s.rdb, s.cfg.Sinch.Rate)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why the pace changes; required with N")
	return cmd
}

func changeRate(cmd *cobra.Command, s session, to, reason string) error {
	if to == rateReset {
		return s.operator.ResetRate(cmd.Context(), reason)
	}
	perSecond, err := strconv.ParseFloat(to, 64)
	if err != nil {
		return fmt.Errorf("%q is neither a number nor reset: %w", to, throttle.ErrRate)
	}
	if err := s.operator.SetRate(cmd.Context(), perSecond, reason); !errors.Is(err, operator.ErrReason) {
		return err
	}
	return errReason
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
