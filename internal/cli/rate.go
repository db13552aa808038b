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
	if err != nil {
		return err
	}
	shown := shownRate{PerSecond: configured, Source: rateConfigured, Configured: configured}
	if set == nil {
		return result(cmd, shown, line("%s (SINCH_RATE)", perSecondText(configured)))
	}
	since := set.Since.UTC()
	shown.PerSecond, shown.Source, shown.Actor, shown.Since, shown.Reason = set.PerSecond, rateOperator, set.Actor, &since, set.Reason
	return result(cmd, shown, line("%s (set by %s at %s: %s); SINCH_RATE is %s",
		perSecondText(set.PerSecond), set.Actor, since.Format(time.RFC3339), set.Reason, perSecondText(configured)))
}

// The sources of the pace, as in /console/status.json.
const (
	rateConfigured = "SINCH_RATE"
	rateOperator   = "operator"
)

// shownRate is the pace in force in JSON; 0: no limit.
type shownRate struct {
	PerSecond  float64    `json:"perSecond"`
	Source     string     `json:"source"`
	Configured float64    `json:"configured"` // SINCH_RATE
	Actor      string     `json:"actor,omitempty"`
	Since      *time.Time `json:"since,omitempty"`
	Reason     string     `json:"reason,omitempty"`
}

func perSecondText(rate float64) string {
	if rate == 0 {
		return "no limit"
	}
	return strconv.FormatFloat(rate, 'f', -1, 64) + " per second"
}
