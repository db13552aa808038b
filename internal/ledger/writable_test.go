package ledger_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/redistest"
)

func TestWritable(t *testing.T) {
	t.Parallel()
	set := func(name, value string) func(*testing.T, *redis.Client) {
		return func(t *testing.T, rdb *redis.Client) {
			t.Helper()
			if err := rdb.ConfigSet(t.Context(), name, value).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := map[string]struct {
		fail, repair func(*testing.T, *redis.Client)
	}{
		"memory is full":      {set("maxmemory", "1"), set("maxmemory", "0")},
		"replicas are missed": {set("min-replicas-to-write", "1"), set("min-replicas-to-write", "0")},
		"is a replica": {
			func(t *testing.T, rdb *redis.Client) {
				t.Helper()
				must(t, rdb.ReplicaOf(t.Context(), "127.0.0.1", "1").Err())
			},
			func(t *testing.T, rdb *redis.Client) {
				t.Helper()
				must(t, rdb.ReplicaOf(t.Context(), "NO", "ONE").Err())
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rdb := redistest.Start(t).Client(t)
			l, err := ledger.New(rdb, ledger.Options{RecordTTL: time.Hour})
			must(t, err)
			must(t, l.Writable(t.Context()))
			tt.fail(t, rdb)
			if err := l.Writable(t.Context()); !errors.Is(err, ledger.ErrUnavailable) {
				t.Errorf("while it refuses writes: %v", err)
			}
			tt.repair(t, rdb)
			must(t, l.Writable(t.Context()))
		})
	}
}

// Redis refuses writes with MISCONF once a snapshot could not be saved.
func TestWritableAfterFailedSnapshot(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.WithArgs("--save", "3600 1", "--appendonly", "no"))
	rdb := server.Client(t)
	l, err := ledger.New(rdb, ledger.Options{RecordTTL: time.Hour})
	must(t, err)
	must(t, l.Writable(t.Context()))
	must(t, os.RemoveAll(server.Dir()))
	must(t, rdb.BgSave(t.Context()).Err())
	for info := ""; !strings.Contains(info, "rdb_last_bgsave_status:err"); {
		info, err = rdb.Info(t.Context(), "persistence").Result()
		must(t, err) // the end of the test's time, if it never fails
	}
	if err := l.Writable(t.Context()); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("after a failed snapshot: %v", err)
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
