package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mmsdispatch/internal/apikey"
	"mmsdispatch/internal/app"
	"mmsdispatch/internal/callback"
	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/suppression"
)

// newOptOuts manages the opt-outs of tenants.
func newOptOuts() *cobra.Command {
	cmd := &cobra.Command{Use: "optouts", Short: "List, add and remove opt-outs of a tenant (REDIS_URL, RECORD_KEYS)"}
	cmd.AddCommand(newOptOutsList(), newOptOutsAdd(), newOptOutsRemove())
	return cmd
}

// optOutFlags select the opt-outs of a tenant.
type optOutFlags struct {
	test           bool
	sender, reason string
}

func (f *optOutFlags) addTest(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.test, "test", false, "those of the tenant's test messages")
}

// addChange adds the flags of a change.
func (f *optOutFlags) addChange(cmd *cobra.Command) {
	f.addTest(cmd)
	cmd.Flags().StringVar(&f.sender, "sender", "", "only for messages from this number (default: from every number)")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why; required")
}

// optOutTarget is the opt-out that a command is about.
type optOutTarget struct {
	list           *suppression.Store
	scope          message.Scope
	number, sender string
}

// open returns the list and the scope of a tenant.
func (f *optOutFlags) open(ctx context.Context, s session, tenant string) (optOutTarget, error) {
	if err := apikey.CheckTenant(tenant); err != nil {
		return optOutTarget{}, err
	}
	keys, err := encryption.New(encryption.Collect(s.cfg.Store.RecordKeys.All()), nil)
	if err != nil {
		return optOutTarget{}, fmt.Errorf("RECORD_KEYS: %w", err)
	}
	scopes := callback.NewScopes(s.rdb)
	if err := scopes.Refresh(ctx); err != nil {
		return optOutTarget{}, fmt.Errorf("scopes with events: %w", err)
	}
	list, err := suppression.NewStore(suppression.Options{
		Redis: s.rdb, Metrics: uncounted{}, Keys: keys, Senders: s.cfg.Sinch.SenderTenants.Canonical(),
		Events: app.Events{Outbox: callback.NewOutbox(scopes, keys)}, OutboxKey: callback.OutboxKey,
	})
	if err != nil {
		return optOutTarget{}, fmt.Errorf("opt-outs: %w", err)
	}
	return optOutTarget{list: list, scope: message.Scope{Tenant: tenant, Test: f.test}}, nil
}

// errNumber is returned for what cannot be a number. It does not repeat it.
var errNumber = errors.New("NUMBER must be a phone number that MMS can be sent to, such as +12065551212")

// errSender is errNumber of a sender.
var errSender = errors.New("--sender must be a number or a short code, in digits")

// target is open with a number and the sender.
func (f *optOutFlags) target(ctx context.Context, s session, tenant, number string) (optOutTarget, error) {
	t, err := f.open(ctx, s, tenant)
	if err != nil {
		return t, err
	}
	rules := message.NewRules(message.RuleOptions{
		DefaultRegion: string(s.cfg.Message.DefaultRegion), ExtraAreaCodes: s.cfg.Message.ExtraAreaCodes.Countries(),
	})
	var ok bool
	if t.number, ok = rules.Phone(number); !ok {
		return t, errNumber
	}
	if f.sender != "" {
		digits := strings.TrimPrefix(f.sender, "+")
		notDigit := func(r rune) bool { return r < '0' || r > '9' }
		if digits == "" || strings.ContainsFunc(digits, notDigit) {
			return t, errSender
		}
		t.sender = message.CanonicalSender(digits)
	}
	return t, nil
}

// optOutResult is the state of a number after a command. It omits the number.
type optOutResult struct {
	OptedOut bool `json:"optedOut"`
	Changed  bool `json:"changed"` // by the command; false: it was so before
}

func newOptOutsAdd() *cobra.Command {
	var flags optOutFlags
	cmd := &cobra.Command{
		Use:     "add TENANT NUMBER --reason TEXT",
		Short:   "Opt a number out; no call to it begins afterwards",
		Example: "  mmsctl optouts add acme +12065551212 --reason 'asked by letter'",
		Args:    cobra.ExactArgs(2),
		RunE: withRedis(func(cmd *cobra.Command, args []string, s session) error {
			t, err := flags.target(cmd.Context(), s, args[0], args[1])
			if err != nil {
				return err
			}
			_, created, err := s.operator.AddOptOut(cmd.Context(), t.list, t.scope, t.number, t.sender, flags.reason)
			switch {
			case errors.Is(err, operator.ErrReason):
				return errReason
			case err != nil:
				return fmt.Errorf("add opt-out: %w", err)
			case !created:
				return result(cmd, optOutResult{OptedOut: true}, line("was opted out before; the reason is replaced"))
			default:
				return result(cmd, optOutResult{OptedOut: true, Changed: true}, line("opted out"))
			}
		}),
	}
	flags.addChange(cmd)
	return cmd
}

func newOptOutsRemove() *cobra.Command {
	var flags optOutFlags
	cmd := &cobra.Command{
		Use:   "remove TENANT NUMBER --reason TEXT",
		Short: "End the opt-outs of a number; a new STOP of the person counts again",
		Args:  cobra.ExactArgs(2),
		RunE: withRedis(func(cmd *cobra.Command, args []string, s session) error {
			t, err := flags.target(cmd.Context(), s, args[0], args[1])
			if err != nil {
				return err
			}
			err = s.operator.RemoveOptOut(cmd.Context(), t.list, t.scope, t.number, t.sender, flags.reason)
			switch {
			case errors.Is(err, operator.ErrReason):
				return errReason
			case errors.Is(err, suppression.ErrNotFound):
				return result(cmd, optOutResult{}, line("was not opted out"))
			case err != nil:
				return fmt.Errorf("remove opt-out: %w", err)
			default:
				return result(cmd, optOutResult{Changed: true}, line("removed"))
			}
		}),
	}
	flags.addChange(cmd)
	return cmd
}

// optOutsRead is how many opt-outs are read at a time.
const optOutsRead = 500

func newOptOutsList() *cobra.Command {
	var flags optOutFlags
	cmd := &cobra.Command{
		Use:   "list TENANT",
		Short: "List the opt-outs that count for a tenant, newest first",
		Args:  cobra.ExactArgs(1),
		RunE: withRedis(func(cmd *cobra.Command, args []string, s session) error {
			t, err := flags.open(cmd.Context(), s, args[0])
			if err != nil {
				return err
			}
			shown := []shownOptOut{}
			for after := (suppression.Position{}); ; {
				found, err := t.list.List(cmd.Context(), t.scope, after, optOutsRead)
				if err != nil {
					return fmt.Errorf("list opt-outs: %w", err)
				}
				for _, e := range found {
					shown = append(shown, showOptOut(e))
				}
				if len(found) < optOutsRead {
					break
				}
				after = suppression.PositionOf(found[len(found)-1])
			}
			return result(cmd, shown, func(out io.Writer) error { return writeOptOuts(out, shown) })
		}),
	}
	flags.addTest(cmd)
	return cmd
}

// shownOptOut is an opt-out in the JSON list, with the members of GET
// /v1/suppressions; null: every sender, or no reason.
type shownOptOut struct {
	Number    string    `json:"number"`
	Sender    *string   `json:"sender"`
	Reason    *string   `json:"reason"`
	Source    string    `json:"source"`
	CreatedAt time.Time `json:"createdAt"`
}

func showOptOut(e suppression.Entry) shownOptOut {
	some := func(text string) *string {
		if text == "" {
			return nil
		}
		return &text
	}
	return shownOptOut{Number: e.Number, Sender: some(e.Sender), Reason: some(e.Reason), Source: string(e.Source), CreatedAt: e.CreatedAt}
}

func writeOptOuts(out io.Writer, all []shownOptOut) error {
	given := func(text *string) string {
		if text == nil {
			return "-"
		}
		return *text
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NUMBER\tSENDER\tSOURCE\tSINCE\tREASON")
	for _, e := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", e.Number, given(e.Sender), e.Source, e.CreatedAt.Format(time.RFC3339), given(e.Reason))
	}
	return table.Flush() //nolint:wrapcheck // the caller names the command
}

// uncounted implements suppression.Metrics: a command has no metrics.
type uncounted struct{}

func (uncounted) OptedOut(string) {}
func (uncounted) OptedIn(string)  {}
func (uncounted) Suppressed()     {}
