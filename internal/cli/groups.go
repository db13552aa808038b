package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mmsdispatch/internal/apikey"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/replay"
)

// group are the flags that select many messages for one action.
type group struct {
	action            replay.Action
	statuses, reasons []string
	code, tenant      string
	test              bool
	batch, since      string
	perSecond         float64
	dryRun            bool
}

// addFlags adds the flags. verb is what is done with the messages.
func (g *group) addFlags(cmd *cobra.Command, verb string) {
	states := words(g.action.Statuses())
	flags := cmd.Flags()
	flags.StringSliceVar(&g.statuses, "status", nil, verb+" all messages in these states, over all tenants: "+strings.Join(states, ", "))
	flags.StringSliceVar(&g.reasons, "reason", nil, "with --status: only those with one of these reasons, such as account")
	flags.StringVar(&g.code, "code", "", "with --status: only those with this code of Sinch; none: without one")
	flags.StringVar(&g.tenant, "tenant", "", "with --status: only those of this tenant")
	flags.BoolVar(&g.test, "test", false, "with --tenant: its test messages (default: its live ones)")
	flags.StringVar(&g.batch, "batch", "", "with --status: only those of this batch")
	flags.StringVar(&g.since, "since", "", "with --status: only those accepted so far back, such as 24h or 7d")
	flags.Float64Var(&g.perSecond, "per-second", 10, "with --status: messages per second")
	completeValues(cmd, "status", states...)
	completeValues(cmd, "reason", words(message.ReasonCodes())...)
}

// given reports whether the flags select messages.
func (g *group) given() bool { return len(g.statuses) > 0 }

// filter reads the flags.
func (g *group) filter() (replay.Filter, error) {
	filter := replay.Filter{SinchCode: g.code}
	for _, word := range g.statuses {
		if states := g.action.Statuses(); !slices.Contains(states, message.Status(word)) {
			return filter, fmt.Errorf("--status %s: must be one of %s", word, strings.Join(words(states), ", "))
		}
		filter.Statuses = append(filter.Statuses, message.Status(word))
	}
	for _, word := range g.reasons {
		if !slices.Contains(message.ReasonCodes(), message.ReasonCode(word)) {
			return filter, fmt.Errorf("--reason %s: there is no such reason", word)
		}
		filter.Reasons = append(filter.Reasons, message.ReasonCode(word))
	}
	var err error
	if filter.Scope, err = g.scope(); err != nil {
		return filter, err
	}
	if g.batch != "" {
		if filter.BatchID, err = message.ParseBatchID(g.batch); err != nil {
			return filter, fmt.Errorf("--batch %s: must be the id of a batch", g.batch)
		}
	}
	if g.since != "" {
		age, err := parseDays(g.since)
		if err != nil || age <= 0 {
			return filter, fmt.Errorf("--since %q: must be a time such as 24h or 7d", g.since)
		}
		filter.After = time.Now().Add(-age)
	}
	return filter, nil
}

// errTest is the error for the test messages of no tenant.
var errTest = errors.New("--test: name the tenant with --tenant")

// scope is that of --tenant; nil: all.
func (g *group) scope() (*message.Scope, error) {
	if g.tenant == "" {
		if g.test {
			return nil, errTest
		}
		return nil, nil //nolint:nilnil // as of a filter
	}
	if err := apikey.CheckTenant(g.tenant); err != nil {
		return nil, fmt.Errorf("--tenant: %w", err)
	}
	return &message.Scope{Tenant: g.tenant, Test: g.test}, nil
}

// errPace is the error for an impossible --per-second.
var errPace = errors.New("--per-second must be more than 0 and at most 1000")

// checkPace returns errPace for a pace out of bounds.
func (g *group) checkPace() error {
	const most = 1000
	if !(g.perSecond > 0 && g.perSecond <= most) { // NaN, too
		return errPace
	}
	return nil
}

// target names the selection in the audit.
func (g *group) target() string {
	parts := []string{"status=" + strings.Join(g.statuses, ",")}
	for _, flag := range []struct{ name, value string }{
		{"batch", g.batch}, {"code", g.code}, {"reason", strings.Join(g.reasons, ",")}, {"since", g.since}, {"tenant", g.tenant},
	} {
		if flag.value != "" {
			parts = append(parts, flag.name+"="+flag.value)
		}
	}
	if g.test {
		parts = append(parts, "test")
	}
	return strings.Join(parts, " ")
}

// replays is the store of replays.
func (s session) replays() (*replay.Store, error) {
	l, err := ledger.New(s.rdb, ledger.Options{RecordTTL: s.cfg.Store.RecordTTL})
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return replay.NewStore(s.rdb, l, s.cfg.Store.RecordTTL), nil
}
