package doctor_test

import (
	"context"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"mmsdispatch/internal/messagelog"
	"mmsdispatch/internal/pgtest"
)

// postgres imitates PostgreSQL for the doctor: it accepts a client, or refuses it with
// a SQLSTATE, and answers one query.
func postgres(tb testing.TB, refusal, version, standby string) string {
	tb.Helper()
	listener, err := new(net.ListenConfig).Listen(context.WithoutCancel(tb.Context()), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	tb.Cleanup(func() { _ = listener.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			servePostgres(conn, refusal, version, standby)
			_ = conn.Close()
		}
	}()
	return "postgres://mms:hunter2@" + listener.Addr().String() + "/mms?sslmode=disable"
}

func servePostgres(conn net.Conn, refusal, version, standby string) {
	backend := pgproto3.NewBackend(conn, conn)
	if _, err := backend.ReceiveStartupMessage(); err != nil {
		return
	}
	if refusal != "" {
		backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: refusal, Message: "not for user hunter2"})
		_ = backend.Flush()
		return
	}
	backend.Send(&pgproto3.AuthenticationOk{})
	backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	const text, boolean = 25, 16 // types, as in pg_type
	for _ = backend.Flush(); ; _ = backend.Flush() {
		message, err := backend.Receive()
		if err != nil {
			return
		}
		switch message.(type) {
		case *pgproto3.Describe:
			backend.Send(&pgproto3.ParameterDescription{})
			backend.Send(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{
				{Name: []byte("v"), DataTypeOID: text}, {Name: []byte("s"), DataTypeOID: boolean, Format: 1},
			}})
		case *pgproto3.Parse:
			backend.Send(&pgproto3.ParseComplete{})
		case *pgproto3.Bind:
			backend.Send(&pgproto3.BindComplete{})
		case *pgproto3.Execute:
			backend.Send(&pgproto3.DataRow{Values: [][]byte{[]byte(version), []byte(standby)}})
			backend.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
		case *pgproto3.Sync:
			backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		case *pgproto3.Terminate:
			return
		}
	}
}

// TestDatabaseIsSound: PostgreSQL answers, and has the tables.
func TestDatabaseIsSound(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t)
	m, err := messagelog.NewMigrator(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	if _, err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	report := examine(t, sound(map[string]string{"DATABASE_URL": url}))
	want(t, report, "database", "ok PostgreSQL * answers, and has the tables of this release")
}

func TestDatabase(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ url, line string }{
		"no tables":       {pgtest.Shared(t), "fail PostgreSQL * has no tables of the long-term log → run mmsctl migrate up"},
		"standby":         {postgres(t, "", "17.1", "\x01"), "fail*is a standby*→ point DATABASE_URL at the primary"},
		"wrong password":  {postgres(t, "28P01", "", ""), "fail PostgreSQL at 127.0.0.1 refuses the user or password"},
		"no database":     {postgres(t, "3D000", "", ""), "fail*has no such database"},
		"other refusal":   {postgres(t, "53300", "", ""), "fail*answers with SQLSTATE 53300"},
		"nothing listens": {"postgres://mms:hunter2@" + nowhere + "/mms", "fail PostgreSQL at 127.0.0.1 cannot be reached → start it"},
		"not usable":      {"postgres://mms:hunter2@h/mms?sslmode=hunter2", "fail DATABASE_URL is not usable"},
		"not a URL":       {"hunter2", "warn not checked → put DATABASE_URL right first"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want(t, examine(t, sound(map[string]string{"DATABASE_URL": tt.url})), "database", tt.line)
		})
	}
}
