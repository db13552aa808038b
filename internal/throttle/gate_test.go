package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/throttle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }

// backends runs a test on a real Redis and on the embedded one of the dev mode.
func backends(t *testing.T, test func(t *testing.T, rdb redis.UniversalClient)) {
	t.Helper()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, redistest.Shared(t).Client(t))
	})
	t.Run("miniredis", func(t *testing.T) {
		t.Parallel()
		client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
		t.Cleanup(func() { _ = client.Close() })
		test(t, client)
	})
}

const (
	testPause = 200 * time.Millisecond
	callTime  = 10 * time.Millisecond // of a call to Sinch
	enough    = 10 * time.Second      // for anything that happens soon
)

// newGate is one process' gate; it never waits, so that each result shows.
func newGate(rdb redis.UniversalClient, change ...func(*throttle.GateOptions)) *throttle.Gate {
	opts := throttle.GateOptions{
		Account: "https://sinch.example/plan", Pause: testPause, Lease: time.Minute, MaxWait: time.Millisecond,
	}
	for _, f := range change {
		f(&opts)
	}
	return throttle.NewGate(rdb, opts)
}

// acquireSoon enters again and again, as a message that is handed back does.
func acquireSoon(tb testing.TB, gate *throttle.Gate, id string) throttle.GatePermit {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), enough)
	defer cancel()
	for {
		permit, err := gate.Acquire(ctx, id, "acme")
		if err == nil {
			return permit
		}
		if _, ok := errors.AsType[*throttle.DeniedError](err); !ok {
			tb.Fatalf("%s: %v", id, err)
		}
	}
}

func mustAcquire(tb testing.TB, gate *throttle.Gate, id string) throttle.GatePermit {
	tb.Helper()
	permit, err := gate.Acquire(tb.Context(), id, "acme")
	if err != nil {
		tb.Fatalf("%s: %v", id, err)
	}
	return permit
}

func wantDenied(tb testing.TB, err error, cause throttle.Cause) *throttle.DeniedError {
	tb.Helper()
	denied, ok := errors.AsType[*throttle.DeniedError](err)
	if !ok || denied.Cause != cause {
		tb.Fatalf("err = %v, want %s", err, cause)
	}
	return denied
}

func mustBeClosed(tb testing.TB, gate *throttle.Gate, id string) time.Duration {
	tb.Helper()
	_, err := gate.Acquire(tb.Context(), id, "acme")
	denied := wantDenied(tb, err, throttle.CauseAccount)
	if denied.RetryIn <= 0 || denied.SinchCode != "E104" {
		tb.Errorf("%s: denied = %+v", id, denied)
	}
	return denied.RetryIn
}

func refused(tb testing.TB, gate *throttle.Gate, permit throttle.GatePermit) throttle.Verdict {
	tb.Helper()
	verdict, err := gate.Refused(tb.Context(), permit, "E104")
	if err != nil {
		tb.Fatal(err)
	}
	return verdict
}

func passed(tb testing.TB, gate *throttle.Gate, permit throttle.GatePermit) {
	tb.Helper()
	if _, err := gate.Passed(tb.Context(), permit); err != nil {
		tb.Fatal(err)
	}
}

func TestGateClosesForAllProcessesAndReopensByOneProbe(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, rdb redis.UniversalClient) {
		here, there := newGate(rdb), newGate(rdb)
		first := mustAcquire(t, here, "m1")
		if first.Probe {
			t.Error("a probe while nothing is wrong")
		}
		begun := time.Now()
		verdict := refused(t, here, first)
		if verdict.Alone || verdict.RetryIn < testPause {
			t.Errorf("verdict = %+v", verdict)
		}
		mustBeClosed(t, here, "m2")
		mustBeClosed(t, there, "m3")

		probe := acquireSoon(t, there, "m3")
		if took := time.Since(begun); took < testPause {
			t.Errorf("the pause took %s, want %s", took, testPause)
		}
		if !probe.Probe {
			t.Fatal("the first one after the pause is no probe")
		}
		mustBeClosed(t, here, "m2") // one at a time
		passed(t, there, probe)
		if permit := mustAcquire(t, here, "m2"); permit.Probe {
			t.Error("a probe after the gate has opened")
		}
	})
}

func TestProbeThatIsRefusedGivesWayToAnother(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, rdb redis.UniversalClient) {
		gate := newGate(rdb)
		refused(t, gate, mustAcquire(t, gate, "m1"))
		second := acquireSoon(t, gate, "m2")
		if verdict := refused(t, gate, second); verdict.Alone {
			t.Error("m2 was refused together with m1 and is the cause")
		}
		mustBeClosed(t, gate, "m3")
		// Both come back at once; the one that was never refused goes first.
		m3 := mustBeClosed(t, gate, "m3")
		m2 := mustBeClosed(t, gate, "m2")
		if m2 <= m3 {
			t.Errorf("m2 comes back in %s, m3 in %s", m2, m3)
		}
		if probe := acquireSoon(t, gate, "m3"); !probe.Probe {
			t.Error("m3 is no probe")
		}
	})
}

func TestOnlyMessageLeftIsProbedAgain(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, rdb redis.UniversalClient) {
		gate := newGate(rdb)
		refused(t, gate, mustAcquire(t, gate, "m1"))
		for range 3 {
			probe := acquireSoon(t, gate, "m1")
			if !probe.Probe {
				t.Fatal("m1 is no probe")
			}
			if verdict := refused(t, gate, probe); verdict.Alone {
				t.Fatal("no other message passed, and m1 is the cause")
			}
		}
		passed(t, gate, acquireSoon(t, gate, "m1"))
		if paused, err := gate.Paused(t.Context()); err != nil || paused != nil {
			t.Errorf("paused = %v, %v after the probe passed", paused, err)
		}
	})
}

func TestMessageAloneInBeingRefusedFails(t *testing.T) {
	t.Parallel()
	for answers := 2; answers <= 3; answers++ {
		t.Run(fmt.Sprint(answers), func(t *testing.T) {
			t.Parallel()
			backends(t, func(t *testing.T, rdb redis.UniversalClient) {
				gate := newGate(rdb, func(o *throttle.GateOptions) { o.Answers = answers })
				for round := 1; round < answers; round++ {
					if verdict := refused(t, gate, acquireSoon(t, gate, "bad")); verdict.Alone {
						t.Fatalf("alone after %d answers, want %d", round, answers)
					}
					passed(t, gate, acquireSoon(t, gate, fmt.Sprintf("good-%d", round)))
				}
				if verdict := refused(t, gate, acquireSoon(t, gate, "bad")); !verdict.Alone {
					t.Fatalf("not alone after %d answers between which others passed", answers)
				}
				if permit := mustAcquire(t, gate, "good"); permit.Probe {
					t.Error("the account pauses for a message that failed")
				}
			})
		})
	}
}

func TestOutageIsHeldAgainstNobody(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, rdb redis.UniversalClient) {
		gate := newGate(rdb)
		for outage := range 4 {
			// Several calls are under way when the account stops working.
			permits := []throttle.GatePermit{}
			for _, message := range []string{"m1", "m2", "m3"} {
				permits = append(permits, acquireSoon(t, gate, message))
			}
			for i, permit := range permits {
				if verdict := refused(t, gate, permit); verdict.Alone {
					t.Fatalf("outage %d: message %d is called alone", outage, i)
				}
			}
			passed(t, gate, acquireSoon(t, gate, fmt.Sprintf("other-%d", outage)))
		}
	})
}

func TestLateRefusalDoesNotMakeThePauseLonger(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, rdb redis.UniversalClient) {
		gate := newGate(rdb)
		first, second := mustAcquire(t, gate, "m1"), mustAcquire(t, gate, "m2")
		refused(t, gate, first)
		before := mustBeClosed(t, gate, "m3")
		for before > testPause*3/4 {
			before = mustBeClosed(t, gate, "m3")
		}
		refused(t, gate, second)
		if after := mustBeClosed(t, gate, "m3"); after > before {
			t.Errorf("retry in %s after the late answer, %s before", after, before)
		}
	})
}

func TestProbeThatDiesIsReplaced(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, rdb redis.UniversalClient) {
		gate := newGate(rdb, func(o *throttle.GateOptions) { o.Lease = 300 * time.Millisecond })
		refused(t, gate, mustAcquire(t, gate, "m1"))
		dead := acquireSoon(t, gate, "m2")
		mustBeClosed(t, gate, "m3")
		probe := acquireSoon(t, gate, "m3")
		if !dead.Probe || !probe.Probe {
			t.Fatalf("probes: %v, %v", dead.Probe, probe.Probe)
		}
		passed(t, gate, dead) // it woke up too late to say anything
		mustBeClosed(t, gate, "m4")
		passed(t, gate, probe)
		mustAcquire(t, gate, "m4")
	})
}

func TestProbeWithoutResultMakesRoom(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, rdb redis.UniversalClient) {
		gate := newGate(rdb)
		refused(t, gate, mustAcquire(t, gate, "m1"))
		probe := acquireSoon(t, gate, "m2")
		if again := mustAcquire(t, gate, "m2"); !again.Probe {
			t.Error("the probe's task, run again, is no probe")
		}
		mustBeClosed(t, gate, "m3")
		if err := gate.Release(t.Context(), probe); err != nil {
			t.Fatal(err)
		}
		if next := mustAcquire(t, gate, "m3"); !next.Probe {
			t.Error("m3 is no probe")
		}
	})
}

// Two messages that are refused whenever they are tried must not shield each
// other for ever.
func TestSeveralBadMessagesAllFail(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, rdb redis.UniversalClient) {
		gate := newGate(rdb, func(o *throttle.GateOptions) {
			o.Pause, o.MaxWait = 40*time.Millisecond, 100*time.Millisecond
		})
		ctx, cancel := context.WithTimeout(t.Context(), 3*enough)
		defer cancel()
		var bad, good sync.WaitGroup
		stop := make(chan struct{})
		for i := range 2 {
			bad.Go(func() { sendUntilAlone(ctx, t, gate, fmt.Sprintf("bad-%d", i)) })
		}
		good.Go(func() { sendOthers(ctx, t, gate, stop) })
		bad.Wait()
		close(stop)
		good.Wait()
	})
}

func sendUntilAlone(ctx context.Context, t *testing.T, gate *throttle.Gate, id string) {
	t.Helper()
	for {
		permit, err := gate.Acquire(ctx, id, "acme")
		if _, closed := errors.AsType[*throttle.DeniedError](err); closed {
			continue
		}
		if err != nil {
			t.Errorf("%s never failed: %v", id, err)
			return
		}
		<-time.After(callTime)
		verdict, err := gate.Refused(ctx, permit, "E104")
		if err != nil {
			t.Errorf("%s: %v", id, err)
			return
		}
		if verdict.Alone {
			return
		}
	}
}

func sendOthers(ctx context.Context, t *testing.T, gate *throttle.Gate, stop <-chan struct{}) {
	t.Helper()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		permit, err := gate.Acquire(ctx, fmt.Sprintf("good-%d", n), "acme")
		if err != nil {
			continue // closed
		}
		if _, err := gate.Passed(ctx, permit); err != nil {
			t.Errorf("good-%d: %v", n, err)
			return
		}
	}
}

func TestGateHoldsUntilItOpens(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	gate := newGate(rdb, func(o *throttle.GateOptions) { o.MaxWait = enough })
	refused(t, gate, mustAcquire(t, gate, "m1"))
	if permit := mustAcquire(t, gate, "m2"); !permit.Probe {
		t.Error("m2 is no probe")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	time.AfterFunc(2*callTime, cancel)
	if _, err := gate.Acquire(ctx, "m1", "acme"); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want the caller's", err)
	}
}

func TestConfirmSeesAPauseThatCameMeanwhile(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	gate := newGate(rdb)
	early, late := mustAcquire(t, gate, "m1"), mustAcquire(t, gate, "m2")
	if err := gate.Confirm(t.Context(), early); err != nil {
		t.Fatalf("open: %v", err)
	}
	refused(t, gate, late)
	err := gate.Confirm(t.Context(), early)
	_ = wantDenied(t, err, throttle.CauseAccount)
	if err := gate.Confirm(t.Context(), acquireSoon(t, gate, "m3")); err != nil {
		t.Errorf("the probe: %v", err)
	}
}

func TestAccountsPauseApart(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	one := newGate(rdb)
	other := newGate(rdb, func(o *throttle.GateOptions) { o.Account = "another" })
	refused(t, one, mustAcquire(t, one, "m1"))
	mustBeClosed(t, one, "m2")
	mustAcquire(t, other, "m2")
}

func TestGateSaysThatRedisIsDown(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	gate := newGate(srv.Client(t))
	permit := mustAcquire(t, gate, "m1")
	refused(t, gate, permit) // so that the gate has to ask
	srv.Kill()
	_, err := gate.Acquire(t.Context(), "m2", "acme")
	if wantDenied(t, err, throttle.CauseUnavailable).Unwrap() == nil {
		t.Errorf("acquire: the cause is lost: %v", err)
	}
	_, err = gate.Refused(t.Context(), permit, "E104")
	_ = wantDenied(t, err, throttle.CauseUnavailable)
}

func TestGateKeysShareASlot(t *testing.T) {
	t.Parallel()
	node := redistest.StartCluster(t)
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{node.Addr()}})
	t.Cleanup(func() { _ = rdb.Close() })
	gate := newGate(rdb)
	refused(t, gate, mustAcquire(t, gate, "m1"))
	passed(t, gate, acquireSoon(t, gate, "m2"))
	pacer := throttle.NewPacer(rdb, throttle.PacerOptions{Rate: 100})
	for _, lane := range []message.Lane{message.High, message.Bulk} {
		if err := pacer.Wait(t.Context(), lane); err != nil {
			t.Errorf("lane %s: %v", lane, err)
		}
	}
}
