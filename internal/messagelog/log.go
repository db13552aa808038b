// Package messagelog is the long-term log in PostgreSQL: a row for each message,
// which outlives its record in Redis. The workers write it from the ledger's list of
// changed messages; the api reads it for messages that Redis no longer has.
package messagelog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/redisconn"
)

var (
	// ErrUnavailable says that PostgreSQL did not answer or refused. It is a kind of
	// redisconn.ErrUnavailable: callers get the same answer for both stores.
	ErrUnavailable = fmt.Errorf("long-term log: %w", redisconn.ErrUnavailable)
	// ErrSchema says that the schema is older than this release.
	ErrSchema = errors.New("the schema in PostgreSQL is older than this release: run mmsctl migrate up")
	// ErrURL says that DATABASE_URL cannot be parsed.
	ErrURL = errors.New("must be as postgres://user:password@host:5432/database")
)

// Options are the settings of a Log.
type Options struct {
	URL       string
	Records   Records
	Retention time.Duration
	// Keys encrypt what is private in a message; nil: nothing is encrypted.
	Keys *encryption.Keys
	// ContentTTL is the time for which the content of a final message is kept; zero: as
	// long as the message.
	ContentTTL time.Duration
	// HashKey replaces numbers by their HMAC-SHA256; nil: they are kept.
	HashKey []byte
	// Connections is the greatest number of connections of this process.
	Connections int32
	Now         func() time.Time
}

// Log is the long-term log. It connects when it is used, so that PostgreSQL need not
// be running. It is safe for concurrent use.
type Log struct {
	pool *pgxpool.Pool
	opts Options

	mu         sync.Mutex
	partitions map[string]bool // suffixes of those that exist
}

// connectTimeout bounds a connection attempt: reads answer within two seconds.
const connectTimeout = 1500 * time.Millisecond

// New returns the log at a URL.
func New(opts Options) (*Log, error) {
	conf, err := pgxpool.ParseConfig(opts.URL)
	if err != nil {
		return nil, ErrURL // the error of pgx quotes the URL
	}
	conf.MaxConns, conf.MinConns = opts.Connections, 0
	conf.ConnConfig.ConnectTimeout = connectTimeout
	if conf.ConnConfig.RuntimeParams["application_name"] == "" {
		conf.ConnConfig.RuntimeParams["application_name"] = "mmsdispatch"
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), conf) // does not connect
	if err != nil {
		return nil, ErrURL
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Log{pool: pool, opts: opts, partitions: make(map[string]bool)}, nil
}

// Close ends all connections.
func (l *Log) Close() { l.pool.Close() }

// Parses reports whether DATABASE_URL is usable.
func Parses(url string) error {
	if _, err := pgxpool.ParseConfig(url); err != nil {
		return ErrURL
	}
	return nil
}

// unavailable wraps an error of pgx without what it says of addresses, users and
// values.
func unavailable(operation string, err error) error {
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%s: %w: %s", operation, ErrUnavailable, reason(err))
}

func reason(err error) string {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case ok:
		return "PostgreSQL answers with SQLSTATE " + refused.Code
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded), pgconn.Timeout(err):
		return "PostgreSQL does not answer in time"
	default:
		return "PostgreSQL cannot be reached"
	}
}

// hasCode reports whether PostgreSQL answered with one of some SQLSTATEs.
func hasCode(err error, codes ...string) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains(codes, refused.Code)
}

// The SQLSTATEs that decide what happens next.
const (
	codeUndefinedTable = "42P01"
	codeNoPartition    = "23514" // check_violation: there is no partition for a row
	codeNotInState     = "55000"
)
