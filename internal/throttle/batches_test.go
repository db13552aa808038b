package throttle

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// batchPacer is a pacer on a Redis whose clock the test moves.
type batchPacer struct {
	*Pacer

	asker *Pacer // of another process: its source has no dispenser
	t     *testing.T
	srv   *miniredis.Miniredis
	now   time.Time
}

func newBatchPacer(t *testing.T, opts PacerOptions) *batchPacer {
	t.Helper()
	srv := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: srv.Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	b := &batchPacer{t: t, srv: srv, now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	srv.SetTime(b.now)
	opts.Now = func() time.Time { return b.now }
	b.Pacer, b.asker = NewPacer(rdb, opts), NewPacer(rdb, opts)
	return b
}

func (b *batchPacer) pass(d time.Duration) {
	b.now = b.now.Add(d)
	b.srv.SetTime(b.now)
}

// of is a message of a batch with a pace a second.
func of(batch string, perSecond float64) *message.Message {
	m := newMessage()
	m.BatchID, m.Pace, m.From = message.BatchID(batch), int64(perSecond*1e6), "+"+unlimited
	return m
}

// ask asks for a token as the dispenser does.
func (b *batchPacer) ask(m *message.Message) runAnswer {
	b.t.Helper()
	one := []run{{waiters: []*waiter{{}}, claim: b.claim(m)}}
	answers, _, err := b.asker.redis.takeRuns(b.t.Context(), b.asker.senders, one, 1, false)
	if err != nil || len(answers) != 1 {
		b.t.Fatalf("%v, %v", answers, err)
	}
	return answers[0]
}

// granted is how many of n messages may go now.
func (b *batchPacer) granted(n int, m *message.Message) (granted int) {
	b.t.Helper()
	for range n {
		switch got := b.ask(m); got.verdict {
		case verdictGranted:
			granted++
		case verdictWaits, verdictPaced:
		default:
			b.t.Fatalf("%+v", got)
		}
	}
	return granted
}

// No more than a tenth of a second's worth goes at once, whatever was not used before,
// and no more than the pace after that.
func TestBatchPace(t *testing.T) {
	t.Parallel()
	for perSecond, burst := range map[float64]int{0.5: 1, 2.5: 1, 10: 1, 25: 2, 50: 5, 200: 20} {
		b := newBatchPacer(t, PacerOptions{})
		m := of("bat_a", perSecond)
		for range 3 {
			if got := b.granted(burst+3, m); got != burst {
				t.Errorf("%v a second: %d at once, want %d", perSecond, got, burst)
			}
			b.pass(time.Hour)
		}
		if got := b.granted(burst, m); got != burst {
			t.Errorf("%v a second: %d at once, want %d", perSecond, got, burst)
		}
		total, steps := 0, 200
		for range steps {
			b.pass(time.Duration(float64(time.Second) / perSecond / 2))
			total += b.granted(1, m)
		}
		if total > steps/2 || total < steps/2-1 {
			t.Errorf("%v a second: %d in the time of %d", perSecond, total, steps/2)
		}
	}
}

// A message without a token learns when the next one is, and reserves none.
func TestBatchWithoutATokenIsDenied(t *testing.T) {
	t.Parallel()
	b := newBatchPacer(t, PacerOptions{})
	m := of("bat_a", 0.5)
	b.granted(1, m)
	for range 5 {
		if got := b.ask(m); got.verdict != verdictPaced || got.wait != 2*time.Second {
			t.Fatalf("%+v", got)
		}
	}
	if denied := take(t, b.Pacer, m); denied == nil || denied.Cause != CauseBatch || denied.RetryIn != 2*time.Second {
		t.Fatalf("%+v", denied)
	}
	b.pass(2 * time.Second)
	if got := b.granted(2, m); got != 1 {
		t.Errorf("%d, want 1", got)
	}
}

// Other batches and messages without one do not wait for it.
func TestBatchPaceDelaysNoOther(t *testing.T) {
	t.Parallel()
	b := newBatchPacer(t, PacerOptions{})
	b.granted(1, of("bat_a", 0.5))
	if got := b.granted(3, of("bat_b", 30)); got != 3 {
		t.Errorf("another batch: %d", got)
	}
	other := newMessage()
	for range 10 {
		if denied := take(t, b.Pacer, other); denied != nil {
			t.Errorf("%v", denied)
		}
	}
	if b.byRuns() {
		t.Error("the dispenser goes on looking at batches")
	}
}

// The sender's pace holds beside the batch's, and a token of the batch is taken only
// with one of the sender.
func TestBatchPaceBesideTheSenders(t *testing.T) {
	t.Parallel()
	b := newBatchPacer(t, PacerOptions{Senders: map[string]SenderLimit{"+" + limited: {PerSecond: 1}}})
	first, second := of("bat_a", 1000), of("bat_a", 1000)
	first.From, second.From = "+"+limited, "+"+limited
	if denied := take(t, b.Pacer, first); denied != nil {
		t.Fatal(denied)
	}
	if denied := take(t, b.Pacer, second); denied == nil || denied.Cause != CauseSender {
		t.Fatalf("%+v", denied)
	}
	b.pass(time.Second)
	if denied := take(t, b.Pacer, second); denied != nil {
		t.Fatal(denied)
	}
}

// Messages that never reach Sinch keep the pace of their batch, too.
func TestBatchPaceOfExemptMessages(t *testing.T) {
	t.Parallel()
	l := newLimiter(t)
	m := of("bat_a", 0.5)
	m.Scope.Test = true
	if _, err := l.Acquire(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	_, err := l.Acquire(t.Context(), m)
	wantCause(t, err, CauseBatch, time.Second)
}
