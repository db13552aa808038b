package messagelog

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// CheckSchema returns ErrSchema when the schema is older than this release, and
// ErrUnavailable when PostgreSQL does not answer. A newer schema passes, so that
// releases can be rolled out one process after another.
func (l *Log) CheckSchema(ctx context.Context) error { return CheckSchema(ctx, l.pool) }

// Querier is a connection to PostgreSQL, or a pool of them.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// CheckSchema is Log.CheckSchema over a connection.
func CheckSchema(ctx context.Context, db Querier) error {
	needed, err := neededVersion()
	if err != nil {
		return err
	}
	var version int64
	err = db.QueryRow(ctx, "select coalesce(max(version_id), 0) from goose_db_version where is_applied").Scan(&version)
	switch {
	case hasCode(err, codeUndefinedTable):
		return ErrSchema
	case err != nil:
		return unavailable("read version of the schema", err)
	case version < needed:
		return ErrSchema
	default:
		return nil
	}
}

// neededVersion is the number of the last migration.
func neededVersion() (int64, error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, fmt.Errorf("list migrations: %w", err)
	}
	last, _, _ := strings.Cut(strings.TrimPrefix(files[len(files)-1], "migrations/"), "_")
	version, err := strconv.ParseInt(last, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("number of a migration: %w", err)
	}
	return version, nil
}

// Migration is one step of the schema.
type Migration struct {
	Name    string
	Applied bool
}

// Migrator changes the schema. Several at once wait for each other.
type Migrator struct {
	db       *sql.DB
	provider *goose.Provider
}

// NewMigrator returns the migrator of the database at a URL.
func NewMigrator(url string) (*Migrator, error) {
	conf, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, ErrURL // the error of pgx quotes the URL
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, fmt.Errorf("lock of migrations: %w", err)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	db := stdlib.OpenDB(*conf)
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	if err != nil {
		_ = db.Close() // it has not connected
		return nil, fmt.Errorf("migrations: %w", err)
	}
	return &Migrator{db: db, provider: provider}, nil
}

// Close ends the connections.
func (m *Migrator) Close() error {
	if err := m.db.Close(); err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	return nil
}

// Up applies all migrations that are missing, and returns their names.
func (m *Migrator) Up(ctx context.Context) ([]string, error) {
	if err := m.reach(ctx); err != nil {
		return nil, err
	}
	results, err := m.provider.Up(ctx)
	names := make([]string, 0, len(results))
	for _, r := range results {
		names = append(names, r.Source.Path)
	}
	if err != nil {
		return names, fmt.Errorf("migrate up: %w", err)
	}
	return names, nil
}

// Down undoes the last migration, and returns its name; empty: there is none. It
// drops what the tables hold.
func (m *Migrator) Down(ctx context.Context) (string, error) {
	if err := m.reach(ctx); err != nil {
		return "", err
	}
	version, err := m.provider.GetDBVersion(ctx)
	if err != nil || version == 0 {
		return "", wrap("version of the schema", err)
	}
	result, err := m.provider.Down(ctx)
	if err != nil {
		return "", fmt.Errorf("migrate down: %w", err)
	}
	return result.Source.Path, nil
}

// Status lists the migrations.
func (m *Migrator) Status(ctx context.Context) ([]Migration, error) {
	if err := m.reach(ctx); err != nil {
		return nil, err
	}
	states, err := m.provider.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("status of migrations: %w", err)
	}
	all := make([]Migration, 0, len(states))
	for _, s := range states {
		all = append(all, Migration{Name: s.Source.Path, Applied: s.State == goose.StateApplied})
	}
	return all, nil
}

// reach says that PostgreSQL does not answer without the addresses and the user that
// the errors of pgx name.
func (m *Migrator) reach(ctx context.Context) error {
	if err := m.db.PingContext(ctx); err != nil {
		return unavailable("connect", err)
	}
	return nil
}

// wrap is fmt.Errorf for an error that may be nil.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
