package chaos_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"mmsdispatch/internal/pgtest"
	"mmsdispatch/test/harness"
)

// TestLogAfterChaos stops PostgreSQL and kills the workers, which write the log, at
// random moments while messages are sent. Afterwards the log has one row for each
// accepted message, with the state that the ledger has.
func TestLogAfterChaos(t *testing.T) {
	t.Parallel()
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-chaos.seed=%d -chaos.for=%s", seed, *chaosFor)
	database := pgtest.Start(t)
	migrate(t, database.URL())
	s := start(t, shape{api: mms, apis: 1, workers: 2, env: map[string]string{"DATABASE_URL": database.URL()}})
	ctx, cancel := context.WithTimeout(t.Context(), *chaosFor+2*recovery)
	defer cancel()
	open, closeShop := context.WithCancel(ctx)
	defer closeShop()
	load := newCallers(ctx, open, s, 150, seed)
	stops, kills := breakLog(t, s, database, rand.New(rand.NewPCG(seed, seed)))
	closeShop()
	database.Restart()
	for _, w := range s.workers {
		w.Start()
	}
	s.awaitReady()
	a := &audit{t: t, stack: s, ids: load.finish(t), last: map[string]resource{}, found: map[string]error{}}
	a.awaitFinal(recovery)
	client := s.redis.Client(t)
	harness.Await(t, "an empty backlog", recovery, func() (bool, string) {
		n, err := client.ZCard(ctx, "mms:{m}:changed:log").Result()
		return err == nil && n == 0, fmt.Sprint(n, " ", err)
	})
	ids := slices.Collect(maps.Values(a.ids))
	var logged map[string][]string
	harness.Await(t, "a log that is equal to the ledger", recovery, func() (bool, string) {
		logged = readLog(t, database.URL())
		var differ []string
		for _, id := range ids {
			if got := logged[id]; len(got) != 1 || got[0] != a.last[id].Status {
				differ = append(differ, id)
			}
		}
		if len(differ) == 0 {
			return true, ""
		}
		first := differ[0]
		shown := fmt.Sprintf("%d differ: %s is %s in the ledger and %v in the log", len(differ), first, a.last[first].Status, logged[first])
		a.stillOpen(differ) // reads them again: receipts may still come
		return false, shown
	})
	v := a.verify(ctx)
	if len(logged) != v.messages {
		t.Errorf("%d rows in the log, %d messages were accepted", len(logged), v.messages)
	}
	t.Logf("%d messages, %d rows; PostgreSQL stopped %d times, workers killed %d times", v.messages, len(logged), stops, kills)
}

// breakLog stops and kills until the time is over.
func breakLog(t *testing.T, s *stack, database *pgtest.Server, rng *rand.Rand) (stops, kills int) {
	t.Helper()
	timer := time.NewTimer(0)
	defer timer.Stop()
	down := false
	for end := time.Now().Add(*chaosFor); time.Now().Before(end); {
		select {
		case <-timer.C:
		case <-t.Context().Done():
			return stops, kills
		}
		timer.Reset(time.Duration(100+rng.IntN(1200)) * time.Millisecond)
		w := s.workers[rng.IntN(len(s.workers))]
		hard := rng.IntN(2) == 0
		switch {
		case !w.Running():
			w.Start()
		case rng.IntN(2) == 0:
			w.TryKill()
			kills++
		case down:
			database.Restart()
			down = false
		case hard:
			database.Kill()
			down, stops = true, stops+1
		default:
			database.Stop()
			down, stops = true, stops+1
		}
	}
	return stops, kills
}

// migrate makes the tables as an operator does.
func migrate(t *testing.T, url string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), built("mmsctl"), "migrate", "up")
	cmd.Dir, cmd.Env = t.TempDir(), []string{"DATABASE_URL=" + url}
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("migrate: %v\n%s", err, output)
	}
}

// readLog reads the states of all rows by id.
func readLog(t *testing.T, url string) map[string][]string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	rows, err := conn.Query(t.Context(), "select id, status from mms_log")
	if err != nil {
		t.Fatal(err)
	}
	logged := map[string][]string{}
	var id, status string
	if _, err := pgx.ForEachRow(rows, []any{&id, &status}, func() error {
		logged[id] = append(logged[id], status)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return logged
}
