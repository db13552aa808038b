package ledger_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

// TestBeginWaitsForItsReplica freezes the replica: a begin that it does not have is
// an error, like a missing reply.
func TestBeginWaitsForItsReplica(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t)
	replica := redistest.StartReplicaOf(t, primary)
	l := replicated(t, primary.Client(t))
	begins := func() bool { // a busy machine can be late now and then
		_, err := tryBegin(t, l, accept(t, l, request("")).ID)
		return err == nil
	}
	eventually(t, begins)

	replica.Freeze()
	_, err := tryBegin(t, l, accept(t, l, request("")).ID)
	if !errors.Is(err, ledger.ErrUnavailable) {
		t.Fatalf("begin without a replica: %v", err)
	}
	replica.Thaw()
	eventually(t, begins)
}

// TestBeginWaitsInACluster sends both commands to the server of the key.
func TestBeginWaitsInACluster(t *testing.T) {
	t.Parallel()
	node := redistest.StartCluster(t)
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{node.Addr()}})
	t.Cleanup(func() { _ = rdb.Close() })
	l := replicated(t, rdb)
	if _, err := tryBegin(t, l, accept(t, l, request("")).ID); !errors.Is(err, ledger.ErrUnavailable) {
		t.Fatalf("begin without any replica: %v", err)
	}
	redistest.StartReplicaOf(t, node)
	eventually(t, func() bool {
		_, err := tryBegin(t, l, accept(t, l, request("")).ID)
		return err == nil
	})
}

func replicated(t *testing.T, rdb redis.UniversalClient) *ledger.Ledger {
	t.Helper()
	l, err := ledger.New(rdb, ledger.Options{RecordTTL: time.Hour, MinReplicas: func() int { return 1 }})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func tryBegin(t *testing.T, l *ledger.Ledger, id message.ID) (ledger.Begun, error) {
	t.Helper()
	return l.Begin(t.Context(), read(t, l, id), func(m *message.Message, now time.Time) error {
		return m.Begin(m.Task, message.Attempt{Worker: "w1", Deadline: now.Add(time.Second)}, now)
	}, ledger.Lease{Worker: "w1"})
}

// TestBeginsAreAnnounced: one process receives the begins of another.
func TestBeginsAreAnnounced(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	channel := ledger.DefaultPrefix + "begun:" + strconv.Itoa(rdb.Options().DB)
	ctx, cancel := context.WithCancel(t.Context())
	begins, ended := make(chan ledger.Begin, 1), make(chan struct{})
	go func() {
		defer close(ended)
		l.WatchBegins(ctx, "w2", func(b ledger.Begin) { begins <- b })
	}()
	eventually(t, func() bool {
		n, err := rdb.PubSubNumSub(t.Context(), channel).Result()
		return err == nil && n[channel] == 1
	})
	m := accept(t, l, request(""))
	begin(t, l, m.ID, "w1")
	if b := <-begins; b != (ledger.Begin{Worker: "w1", ID: m.ID, N: 1, Epoch: 1}) {
		t.Fatalf("announced %+v", b)
	}
	b, _ := openBatch(t, l, "", "")
	if _, err := beginShared(t, l, acceptMany(t, l, b, 1), ledger.Lease{Worker: "w1", Begins: 1}); err != nil {
		t.Fatal(err)
	}
	if b := <-begins; b.Call != multiCall || b.Epoch != 2 {
		t.Fatalf("announced %+v, want its call", b)
	}
	cancel()
	<-ended
}
