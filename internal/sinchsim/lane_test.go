package sinchsim

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

// try is one delivery of a receipt, at a time counted from the first.
type try struct {
	code  string
	after time.Duration
}

// scripted is a receiver that answers in order, then 200.
type scripted struct {
	mu      sync.Mutex
	began   time.Time
	answers []int // 0: no answer
	delay   time.Duration
	tries   []try
	atOnce  int
	most    int
}

func (s *scripted) post(ctx context.Context, r Receipt) (int, error) {
	s.mu.Lock()
	s.tries = append(s.tries, try{r.Code, time.Since(s.began)})
	s.atOnce++
	s.most = max(s.most, s.atOnce)
	status := http.StatusOK
	if len(s.answers) > 0 {
		status, s.answers = s.answers[0], s.answers[1:]
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.atOnce--
		s.mu.Unlock()
	}()
	select {
	case <-time.After(s.delay):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if status == 0 {
		return 0, errors.New("no answer")
	}
	return status, nil
}

// deliverAll runs a lane in a synctest bubble until every receipt is finished.
func deliverAll(t *testing.T, rule RetryRule, width int, s *scripted, events func(now time.Time) []*Event) ReceiptStats {
	t.Helper()
	var stats ReceiptStats
	synctest.Test(t, func(t *testing.T) {
		l := &Lane{
			rule: rule, width: width, maxPending: 100, post: s.post, log: zerolog.Nop(), wake: make(chan struct{}, 1),
		}
		ctx, cancel := context.WithCancel(t.Context())
		s.began = time.Now()
		l.open()
		var running sync.WaitGroup
		running.Go(func() { l.run(ctx) })
		l.push(events(s.began)...)
		time.Sleep(48 * time.Hour) // of the bubble
		cancel()
		running.Wait()
		stats = l.count()
	})
	return stats
}

func mmsRule() RetryRule {
	return FixedRetry{AnswerWithin: DefaultAnswerTimeout, After: DefaultMMSRetryAfter, Limit: DefaultMMSRetries}
}

func xmsRule() RetryRule {
	return DoublingRetry{
		AnswerWithin: DefaultAnswerTimeout, Base: DefaultXMSRetryAfter, Limit: DefaultXMSRetries, SlowDown: DefaultXMSSlowDown,
	}
}

func oneEvent(code string) func(time.Time) []*Event {
	return func(now time.Time) []*Event { return []*Event{{Receipt: Receipt{Code: code}, Due: now}} }
}

func TestRetryRules(t *testing.T) {
	t.Parallel()
	every5m := []time.Duration{0, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 20 * time.Minute, 25 * time.Minute}
	doubling := []time.Duration{0}
	for after := 5 * time.Second; after <= 81_920*time.Second; after *= 2 {
		doubling = append(doubling, after)
	}
	failing := func(status int) []int { return slices.Repeat([]int{status}, 30) }
	tests := map[string]struct {
		rule    RetryRule
		answers []int
		times   []time.Duration
		taken   bool
	}{
		"A taken":                 {mmsRule(), nil, every5m[:1], true},
		"A wants exactly 200":     {mmsRule(), []int{204, 202, 200}, every5m[:3], true},
		"A repeats a 4xx":         {mmsRule(), []int{404}, every5m[:2], true},
		"A repeats no answer":     {mmsRule(), []int{0}, every5m[:2], true},
		"A gives up after 5":      {mmsRule(), failing(500), every5m, false},
		"B taken":                 {xmsRule(), []int{204}, doubling[:1], true},
		"B repeats a 5xx":         {xmsRule(), []int{503, 500, 502}, doubling[:4], true},
		"B repeats no answer":     {xmsRule(), []int{0}, doubling[:2], true},
		"B repeats a 429":         {xmsRule(), []int{429}, doubling[:2], true},
		"B drops a 4xx":           {xmsRule(), []int{404}, doubling[:1], false},
		"B drops a 401":           {xmsRule(), []int{503, 401}, doubling[:2], false},
		"B drops a redirect":      {xmsRule(), []int{302}, doubling[:1], false},
		"B gives up after 22h45m": {xmsRule(), failing(503), doubling, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &scripted{answers: tt.answers}
			stats := deliverAll(t, tt.rule, 1, s, oneEvent("N101"))
			var times []time.Duration
			for _, tr := range s.tries {
				times = append(times, tr.after)
			}
			if diff := cmp.Diff(tt.times, times); diff != "" {
				t.Errorf("tries (-want +got):\n%s", diff)
			}
			want := ReceiptStats{Scheduled: 1, Retried: uint64(len(tt.times) - 1)}
			if tt.taken {
				want.Delivered = 1
			} else {
				want.Dropped = 1
			}
			if diff := cmp.Diff(want, stats); diff != "" {
				t.Errorf("stats (-want +got):\n%s", diff)
			}
		})
	}
}

func threeEvents(now time.Time) []*Event {
	var events []*Event
	for _, code := range []string{"1", "2", "3"} {
		events = append(events, &Event{Receipt: Receipt{Code: code}, Due: now})
	}
	return events
}

// The MMS API delivers receipts one by one; a failed one does not delay the others.
func TestSingleFile(t *testing.T) {
	t.Parallel()
	s := &scripted{answers: []int{500}, delay: time.Second}
	deliverAll(t, mmsRule(), 1, s, threeEvents)
	want := []try{{"1", 0}, {"2", time.Second}, {"3", 2 * time.Second}, {"1", 5*time.Minute + time.Second}}
	if diff := cmp.Diff(want, s.tries, cmp.AllowUnexported(try{})); diff != "" || s.most != 1 {
		t.Errorf("%d at once, tries (-want +got):\n%s", s.most, diff)
	}
}

func TestSeveralStreams(t *testing.T) {
	t.Parallel()
	s := &scripted{delay: time.Second}
	deliverAll(t, xmsRule(), 8, s, threeEvents)
	if s.most != 3 || len(s.tries) != 3 {
		t.Errorf("%d at once of %d", s.most, len(s.tries))
	}
}

func TestReceiverThatTakesTooLong(t *testing.T) {
	t.Parallel()
	s := &scripted{delay: 11 * time.Second}
	stats := deliverAll(t, mmsRule(), 1, s, oneEvent("N101"))
	if stats.Delivered != 0 || len(s.tries) != 6 {
		t.Errorf("%d tries, %+v", len(s.tries), stats)
	}
}

// After a 429 all receipts wait.
func TestTooManyRequestsSlowsTheLane(t *testing.T) {
	t.Parallel()
	s := &scripted{answers: []int{429}}
	deliverAll(t, xmsRule(), 1, s, func(now time.Time) []*Event {
		return []*Event{
			{Receipt: Receipt{Code: "1"}, Due: now},
			{Receipt: Receipt{Code: "2"}, Due: now.Add(time.Millisecond)},
		}
	})
	want := []try{{"1", 0}, {"2", time.Second}, {"1", 5 * time.Second}}
	if diff := cmp.Diff(want, s.tries, cmp.AllowUnexported(try{})); diff != "" {
		t.Errorf("tries (-want +got):\n%s", diff)
	}
}

func TestStaleAndSurplusReceiptsAreDropped(t *testing.T) {
	t.Parallel()
	s := &scripted{}
	stats := deliverAll(t, mmsRule(), 1, s, func(now time.Time) []*Event {
		events := []*Event{{Receipt: Receipt{Code: "stale"}, Due: now, Stale: func() bool { return true }}}
		for range 101 { // two more than may wait
			events = append(events, &Event{Receipt: Receipt{Code: "N101"}, Due: now})
		}
		return events
	})
	want := ReceiptStats{Scheduled: 102, Delivered: 99, Dropped: 3}
	if diff := cmp.Diff(want, stats); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

// A wait for the first receipt ends when the lane ends or is reset.
func TestWaitersAreReleased(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(l *Lane){"close": (*Lane).close, "reset": (*Lane).reset} {
		l := &Lane{rule: mmsRule(), maxPending: 1, wake: make(chan struct{}, 1)}
		first, surplus := make(chan struct{}), make(chan struct{})
		l.push(&Event{Due: time.Now().Add(time.Hour), tried: first}, &Event{tried: surplus})
		end(l)
		select {
		case <-first:
		default:
			t.Errorf("%s: first still waits", name)
		}
		select {
		case <-surplus:
		default:
			t.Errorf("%s: surplus still waits", name)
		}
	}
}

// A receipt that is under way during a reset counts for nothing afterwards.
func TestResetDropsReceiptsUnderWay(t *testing.T) {
	t.Parallel()
	s := &scripted{answers: []int{500}, delay: time.Second}
	synctest.Test(t, func(t *testing.T) {
		l := &Lane{rule: mmsRule(), width: 1, maxPending: 9, post: s.post, log: zerolog.Nop(), wake: make(chan struct{}, 1)}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { l.run(ctx) })
		l.push(&Event{Due: time.Now()})
		synctest.Wait()
		l.reset()
		time.Sleep(time.Hour) // of the bubble
		cancel()
		running.Wait()
		if diff := cmp.Diff(ReceiptStats{}, l.count()); diff != "" || len(s.tries) != 1 {
			t.Errorf("%d tries, stats (-want +got):\n%s", len(s.tries), diff)
		}
	})
}
