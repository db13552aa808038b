package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"mmsdispatch/test/harness"
)

// TestChaosOfSharedCalls breaks an installation while callers send batches of
// messages with equal content: whichever process is killed or disconnected between
// the begin of a call with hundreds of recipients and the record of its outcome,
// Sinch accepts each number once.
func TestChaosOfSharedCalls(t *testing.T) {
	t.Parallel()
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-chaos.seed=%d -chaos.for=%s", seed, *chaosFor)
	s := start(t, shape{api: batches, apis: 2, workers: 3, env: map[string]string{"SINCH_RATE": "800"}})
	s.sim.Order(http.MethodPut, "/sim/default", "slow:600ms") // so that faults meet calls under way
	ctx, cancel := context.WithTimeout(t.Context(), *chaosFor+2*recovery)
	defer cancel()
	open, stopCallers := context.WithCancel(ctx)
	defer stopCallers()
	load := newBatchCallers(ctx, open, s, seed)
	plan := newSchedule(s, seed)
	end := time.Now().Add(*chaosFor)
	plan.run(func() bool { return time.Now().After(end) && load.count() > 0 })

	stopCallers()
	repaired := time.Now()
	plan.repairAll()
	s.awaitReady()
	accepted := load.finish(t)
	for id, n := range accepted {
		harness.Await(t, "end of batch "+id, recovery, func() (bool, string) {
			b, err := s.getBatch(ctx, id)
			return err == nil && b.Total == n && b.Counts["delivered"]+b.Counts["sent"] == n, fmt.Sprintf("%d: %+v %v", n, b, err)
		})
	}
	recovered := time.Since(repaired)
	s.wantOnceEach(load.numbers)
	stats := s.sim.Stats()
	var faults []string
	for _, name := range slices.Sorted(maps.Keys(plan.counts)) {
		faults = append(faults, fmt.Sprintf("%d %s", plan.counts[name], name))
	}
	t.Logf("%d batches, %d messages; faults: %v\nSinch: %d calls, %d accepted, %d lookups, %d recipients; %v\nrecovered after %s",
		len(accepted), len(load.numbers), faults, stats.Calls, stats.Accepted, stats.Lookups, stats.Reached, stats.Answers,
		recovered.Round(time.Millisecond))
}

// wantOnceEach checks that Sinch has accepted each number once, and no other.
func (s *stack) wantOnceEach(numbers []string) {
	s.t.Helper()
	reached := s.sim.AcceptedBy("number")
	for _, number := range numbers {
		if n := reached[number[1:]]; n != 1 {
			s.t.Errorf("Sinch accepted %d calls to %s", n, number)
		}
		delete(reached, number[1:])
	}
	if len(reached) > 0 {
		s.t.Errorf("Sinch accepted %d numbers of no message", len(reached))
	}
}

// batch is a batch as the api shows it.
type batch struct {
	ID     string         `json:"id"`
	Total  int            `json:"total"`
	Counts map[string]int `json:"counts"`
}

func (s *stack) getBatch(ctx context.Context, id string) (batch, error) {
	got, err := s.call(ctx, s.apis[0], http.MethodGet, "/v1/batches/"+id, nil)
	if err != nil {
		return batch{}, err
	}
	if got.Status != http.StatusOK {
		return batch{}, fmt.Errorf("batch %s: %s", id, got)
	}
	var b batch
	err = json.Unmarshal(got.Body, &b)
	return b, err
}

// batchCallers send batches of messages with equal content, each until every row is
// accepted.
type batchCallers struct {
	stack *stack
	wg    sync.WaitGroup

	mu       sync.Mutex
	accepted map[string]int // messages by batch
	numbers  []string
	faults   []string
}

const (
	batchCallerCount = 3
	batchLeast       = 40
	batchMost        = 400
	// openBatches bounds the messages that wait: more than what is sent in a minute
	// would not be sent within the time of the recovery.
	openBatches = 20
)

func newBatchCallers(ctx, open context.Context, s *stack, seed uint64) *batchCallers {
	m := &batchCallers{stack: s, accepted: map[string]int{}}
	for n := range batchCallerCount {
		rng := rand.New(rand.NewPCG(seed, uint64(n)))
		m.wg.Go(func() {
			var ids []string
			for open.Err() == nil {
				ids = append(ids, m.deliver(ctx, "campaign-"+strconv.Itoa(n)+"-"+strconv.Itoa(len(ids)), rng))
				if i := len(ids) - openBatches; i >= 0 {
					m.awaitEnd(open, ids[i])
				}
			}
		})
	}
	return m
}

// awaitEnd waits until no message of a batch is open, or the callers are stopped.
func (m *batchCallers) awaitEnd(open context.Context, id string) {
	for id != "" && open.Err() == nil {
		b, err := m.stack.getBatch(open, id)
		if err == nil && b.Counts["queued"]+b.Counts["sending"] == 0 {
			return
		}
		pause(open, 200*time.Millisecond)
	}
}

func (m *batchCallers) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.accepted)
}

// finish waits until every batch is accepted, and returns the number of messages of
// each.
func (m *batchCallers) finish(t *testing.T) map[string]int {
	t.Helper()
	m.wg.Wait()
	for _, fault := range m.faults {
		t.Error(fault)
	}
	return m.accepted
}

// deliver sends one batch, repeatedly until an api has accepted it, and returns its
// id, or nothing for a fault.
func (m *batchCallers) deliver(ctx context.Context, reference string, rng *rand.Rand) (id string) {
	rows := make([]map[string]string, batchLeast+rng.IntN(batchMost-batchLeast))
	numbers := make([]string, len(rows))
	for i := range rows {
		numbers[i] = numberPool.Next()
		rows[i] = map[string]string{"to": numbers[i]}
	}
	body := map[string]any{
		"clientReference": reference, "messages": rows,
		"defaults": map[string]string{"text": "Sale on " + reference, "mediaUrl": "https://media.example.com/sale.jpg"},
	}
	for {
		api := m.stack.apis[rng.IntN(len(m.stack.apis))]
		got, err := m.stack.call(ctx, api, http.MethodPost, "/v1/batches", body)
		if err == nil && (got.Status == http.StatusAccepted || got.Status == http.StatusOK) {
			id = m.record(reference, got, numbers)
			break
		}
		if err == nil && got.Status != http.StatusServiceUnavailable || ctx.Err() != nil {
			m.faultf("%s was answered %s (%v)", reference, got, err)
			break
		}
		pause(ctx, time.Duration(100+rng.IntN(300))*time.Millisecond)
	}
	pause(ctx, time.Duration(rng.IntN(1000))*time.Millisecond)
	return id
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// record checks and keeps an answer: each row has to be accepted, now or before.
func (m *batchCallers) record(reference string, got harness.Answer, numbers []string) (id string) {
	var response struct {
		ID                   string
		Accepted, Duplicates int
	}
	if err := json.Unmarshal(got.Body, &response); err != nil || response.Accepted+response.Duplicates != len(numbers) {
		m.faultf("%s was answered %s (%v)", reference, got, err)
		return ""
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.accepted[response.ID] = len(numbers)
	m.numbers = append(m.numbers, numbers...)
	return response.ID
}

func (m *batchCallers) faultf(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = append(m.faults, fmt.Sprintf(format, args...))
}
