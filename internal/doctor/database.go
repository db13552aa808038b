package doctor

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"mmsdispatch/internal/messagelog"
)

// database checks whether the long-term log can be written.
func (e *examination) database(ctx context.Context, n *findings) {
	if !e.needs(n, "DATABASE_URL") {
		return
	}
	url := e.cfg.Store.DatabaseURL.Reveal()
	if url == "" {
		n.ok("DATABASE_URL is not set: there is no long-term log")
		return
	}
	conf, err := pgx.ParseConfig(url)
	if err != nil { // it quotes the URL
		n.fail("DATABASE_URL is not usable", "it must be as postgres://user:password@host:5432/database")
		return
	}
	conn, err := pgx.ConnectConfig(ctx, conf)
	if err != nil {
		n.fail("PostgreSQL at "+conf.Host+" "+refusal(err), "start it, or put DATABASE_URL right")
		return
	}
	defer func() { _ = conn.Close(ctx) }() // nothing was changed
	var version string
	var standby bool
	err = conn.QueryRow(ctx, "select current_setting('server_version'), pg_is_in_recovery()").Scan(&version, &standby)
	switch {
	case err != nil:
		n.fail("PostgreSQL at "+conf.Host+" "+refusal(err), "see its error message")
	case standby:
		n.fail("PostgreSQL at "+conf.Host+" is a standby and accepts no writes", "point DATABASE_URL at the primary")
	default:
		version, _, _ = strings.Cut(version, " ")
		schema(ctx, n, conn, "PostgreSQL "+version+" at "+conf.Host)
	}
}

// schema checks whether workers of this release would start.
func schema(ctx context.Context, n *findings, conn *pgx.Conn, server string) {
	switch err := messagelog.CheckSchema(ctx, conn); {
	case errors.Is(err, messagelog.ErrSchema):
		n.fail(server+" has no tables of the long-term log, or older ones than this release: workers do not start", "run mmsctl migrate up")
	case err != nil:
		n.fail(server+" answers, but the version of the tables cannot be read: it "+refusal(err),
			"grant the user the rights to the tables of the long-term log")
	default:
		n.ok(server + " answers, and has the tables of this release")
	}
}

// refusal describes why PostgreSQL cannot be used. The errors themselves contain the
// user and addresses.
func refusal(err error) string {
	const badPassword, badUser, noDatabase = "28P01", "28000", "3D000"
	refused, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case ok && (refused.Code == badPassword || refused.Code == badUser):
		return "refuses the user or password"
	case ok && refused.Code == noDatabase:
		return "has no such database"
	case ok:
		return "answers with SQLSTATE " + refused.Code
	case errors.Is(err, context.DeadlineExceeded):
		return "does not answer in time"
	default:
		return "cannot be reached"
	}
}
