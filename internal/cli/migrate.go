package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mmsdispatch/internal/config"
	"mmsdispatch/internal/messagelog"
)

// errNoDatabase is the error for a command that needs PostgreSQL.
var errNoDatabase = errors.New("DATABASE_URL is not set: there is no long-term log")

// newMigrate changes the schema of the long-term log.
func newMigrate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Make and change the tables of the long-term log in PostgreSQL",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(newMigrateUp(), newMigrateDown(), newMigrateStatus())
	return cmd
}

func newMigrateUp() *cobra.Command {
	var (
		wait     time.Duration
		optional bool
	)
	run := withMigrator(func(cmd *cobra.Command, m *messagelog.Migrator) error {
		applied, err := upWithin(cmd.Context(), m, wait)
		shown := struct {
			Applied []string `json:"applied"`
		}{append([]string{}, applied...)}
		return errors.Join(err, result(cmd, shown, func(out io.Writer) error {
			for _, name := range applied {
				fmt.Fprintln(out, "applied", name)
			}
			if err == nil && len(applied) == 0 {
				fmt.Fprintln(out, "the schema is up to date")
			}
			return nil
		}))
	})
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Apply the migrations that are missing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			err := run(cmd, args)
			if optional && errors.Is(err, errNoDatabase) {
				fmt.Fprintln(cmd.OutOrStdout(), err)
				return nil
			}
			return err
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", 0, "how long to wait for PostgreSQL to answer")
	cmd.Flags().BoolVar(&optional, "optional", false, "succeed when DATABASE_URL is not set")
	return cmd
}

// upWithin applies the migrations as soon as PostgreSQL answers.
func upWithin(ctx context.Context, m *messagelog.Migrator, wait time.Duration) ([]string, error) {
	deadline := time.Now().Add(wait)
	for {
		applied, err := m.Up(ctx)
		if !errors.Is(err, messagelog.ErrUnavailable) || time.Now().After(deadline) {
			return applied, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func newMigrateDown() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Undo the last migration; what its tables hold is lost",
		Args:  cobra.NoArgs,
		RunE: withMigrator(func(cmd *cobra.Command, m *messagelog.Migrator) error {
			undone, err := m.Down(cmd.Context())
			switch {
			case err != nil:
				return err
			case undone == "":
				return result(cmd, map[string]any{"undone": nil}, line("no migration is applied"))
			default:
				return result(cmd, map[string]any{"undone": undone}, line("undone %s", undone))
			}
		}),
	}
}

func newMigrateStatus() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "List the migrations, and whether they are applied",
		Args:  cobra.NoArgs,
		RunE: withMigrator(func(cmd *cobra.Command, m *messagelog.Migrator) error {
			all, err := m.Status(cmd.Context())
			if err != nil {
				return err
			}
			shown := make([]shownMigration, 0, len(all))
			for _, one := range all {
				shown = append(shown, shownMigration{Name: one.Name, Applied: one.Applied})
			}
			return result(cmd, shown, func(out io.Writer) error { return writeMigrations(out, shown) })
		}),
	}
}

// shownMigration is a migration in JSON.
type shownMigration struct {
	Name    string `json:"name"`
	Applied bool   `json:"applied"`
}

func writeMigrations(out io.Writer, all []shownMigration) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, one := range all {
		state := "missing"
		if one.Applied {
			state = "applied"
		}
		fmt.Fprintf(table, "%s\t%s\n", state, one.Name)
	}
	return table.Flush() //nolint:wrapcheck // result wraps it
}

// withMigrator runs a command with the configured PostgreSQL.
func withMigrator(run func(cmd *cobra.Command, m *messagelog.Migrator) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		cfg, err := config.FromOS(config.Ctl)
		if err != nil {
			return fmt.Errorf("configuration: %w", err)
		}
		if cfg.Store.DatabaseURL.IsZero() {
			return errNoDatabase
		}
		m, err := messagelog.NewMigrator(cfg.Store.DatabaseURL.Reveal())
		if err != nil {
			return fmt.Errorf("DATABASE_URL: %w", err)
		}
		defer m.Close()
		return run(cmd, m)
	}
}
