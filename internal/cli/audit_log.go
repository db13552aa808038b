package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/messagelog"
)

// finding is a message that does not add up.
type finding struct {
	ID       message.ID              `json:"id"`
	Tenant   string                  `json:"tenant"`
	Status   message.Status          `json:"status"`
	Problems []message.Contradiction `json:"problems"`
}

// summary is the result of an audit of messages.
type summary struct {
	Checked  int       `json:"checked"`
	Logged   bool      `json:"logged"` // they were compared with the long-term log
	Findings []finding `json:"findings"`
}

// newAuditLog checks that the messages add up.
func newAuditLog() *cobra.Command {
	var since string
	cmd := &cobra.Command{
		Use:   "audit-log",
		Short: "Compare state, attempts, timeline and log of all messages, and report those that do not add up",
		Long: "Reads every message that has changed since, and reports those whose attempts and outcome do not add up: accepted\n" +
			"twice, accepted and failed, sent without proof, in progress long after the deadline. With DATABASE_URL they are\n" +
			"compared with the long-term log, too. It changes nothing, and may run on production.\n" +
			"The exit code is 1 when there is such a message.",
		Example: "  mmsctl audit-log --since 24h",
		Args:    cobra.NoArgs,
		RunE: withRedis(func(cmd *cobra.Command, _ []string, s session) error {
			age, err := parseDays(since)
			if err != nil || age < 0 {
				return fmt.Errorf("--since %q: must be a time such as 24h or 7d", since)
			}
			found, err := auditMessages(cmd.Context(), s, time.Now().Add(-age))
			if err != nil {
				return err
			}
			if err := result(cmd, found, found.write); err != nil {
				return err
			}
			if len(found.Findings) > 0 {
				return errReported
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&since, "since", "24h", "only messages that have changed since, such as 12h or 7d")
	return cmd
}

// auditMessages checks the messages that have changed since.
func auditMessages(ctx context.Context, s session, since time.Time) (summary, error) {
	a := messageAudit{since: since, now: time.Now(), found: summary{Findings: []finding{}}, seen: make(map[message.ID]bool)}
	l, err := a.open(s)
	if err != nil {
		return summary{}, err
	}
	defer a.close()
	var failed error
	err = l.Search(ctx, "", func(read ledger.Snapshot) {
		if failed == nil {
			failed = a.add(ctx, read.Message)
		}
	})
	if err = errors.Join(err, failed, a.compareAll(ctx)); err != nil {
		return summary{}, fmt.Errorf("read messages: %w", err)
	}
	return a.found, nil
}

// loggedMessages is the long-term log.
type loggedMessages interface {
	Several(ctx context.Context, scope message.Scope, ids []message.ID) (map[message.ID]*message.Message, error)
}

// messageAudit compares messages with themselves and with the long-term log.
type messageAudit struct {
	since, now time.Time
	log        loggedMessages // nil: there is none
	close      func()
	found      summary
	seen       map[message.ID]bool
	waiting    map[message.Scope][]*message.Message // to be compared with the log
}

const (
	// compareAtOnce is how many messages are read from the log at a time.
	compareAtOnce = 500
	// logSlack is how long the log may take for a change.
	logSlack = time.Minute
)

// open opens the ledger and the log for reading.
func (a *messageAudit) open(s session) (*ledger.Ledger, error) {
	a.close = func() {}
	keys, err := encryption.New(encryption.Collect(s.cfg.Store.RecordKeys.All()), nil)
	if err != nil {
		return nil, fmt.Errorf("RECORD_KEYS: %w", err)
	}
	l, err := ledger.New(s.rdb, ledger.Options{RecordTTL: s.cfg.Store.RecordTTL, Keys: keys})
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	if s.cfg.Store.DatabaseURL.IsZero() {
		return l, nil
	}
	log, err := messagelog.New(messagelog.Options{
		URL: s.cfg.Store.DatabaseURL.Reveal(), Records: l, Retention: time.Duration(s.cfg.Log.Retention), Keys: keys,
		HashKey: s.cfg.Log.HashKey(), Connections: 1, Now: time.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	a.log, a.close, a.found.Logged = log, log.Close, true
	a.waiting = make(map[message.Scope][]*message.Message)
	return l, nil
}

// add checks one message, which may come twice.
func (a *messageAudit) add(ctx context.Context, m *message.Message) error {
	if m.UpdatedAt.Before(a.since) || a.seen[m.ID] {
		return nil
	}
	a.seen[m.ID] = true
	a.found.Checked++
	a.report(m, m.Contradictions(a.now))
	if a.log == nil || a.now.Sub(m.UpdatedAt) < logSlack {
		return nil
	}
	a.waiting[m.Scope] = append(a.waiting[m.Scope], m)
	if len(a.waiting[m.Scope]) < compareAtOnce {
		return nil
	}
	return a.compare(ctx, m.Scope)
}

func (a *messageAudit) report(m *message.Message, problems []message.Contradiction) {
	if len(problems) > 0 {
		a.found.Findings = append(a.found.Findings, finding{ID: m.ID, Tenant: m.Scope.Tenant, Status: m.Status, Problems: problems})
	}
}

func (a *messageAudit) compareAll(ctx context.Context) error {
	for scope := range a.waiting {
		if err := a.compare(ctx, scope); err != nil {
			return err
		}
	}
	return nil
}

// compare compares the waiting messages of a scope with the log.
func (a *messageAudit) compare(ctx context.Context, scope message.Scope) error {
	messages := a.waiting[scope]
	delete(a.waiting, scope)
	ids := make([]message.ID, len(messages))
	for i, m := range messages {
		ids[i] = m.ID
	}
	logged, err := a.log.Several(ctx, scope, ids)
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	for _, m := range messages {
		var text string
		switch row := logged[m.ID]; {
		case row == nil:
			text = "is not in the long-term log"
		case row.Status != m.Status || row.Attempts != m.Attempts:
			text = fmt.Sprintf("the long-term log says %s after %d attempts, the ledger %s after %d",
				row.Status, row.Attempts, m.Status, m.Attempts)
		default:
			continue
		}
		a.report(m, []message.Contradiction{{Kind: "log", Text: text}})
	}
	return nil
}

func (s summary) write(out io.Writer) error {
	if len(s.Findings) > 0 {
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ID\tTENANT\tSTATUS\tPROBLEM")
		for _, f := range s.Findings {
			for _, p := range f.Problems {
				fmt.Fprintf(table, "%s\t%s\t%s\t%s: %s\n", f.ID, f.Tenant, f.Status, p.Kind, p.Text)
			}
		}
		if err := table.Flush(); err != nil {
			return err //nolint:wrapcheck // the caller names the command
		}
	}
	_, err := fmt.Fprintf(out, "%d messages checked, %d do not add up\n", s.Checked, len(s.Findings))
	return err //nolint:wrapcheck // the caller names the command
}
