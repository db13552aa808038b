package chaos_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"mmsdispatch/test/harness"
)

// The other tenant's requests.
const (
	misbehaviours    = 4   // at once
	misbehavesPerSec = 12  // all together
	heldRows         = 400 // large rows that wait for a later day, in all
	heldRowsAtOnce   = 10
)

// misbehaviour is a second tenant that makes the requests that cost most, beside
// the callers whose messages are counted.
type misbehaviour struct {
	stack *stack
	wg    sync.WaitGroup

	mu      sync.Mutex
	left    int            // of heldRows
	batch   string         // id of one of its batches
	answers map[string]int // by kind of request
}

// misbehave runs until ctx ends.
func misbehave(ctx context.Context, s *stack, seed uint64) *misbehaviour {
	m := &misbehaviour{stack: s, left: heldRows, answers: map[string]int{}}
	pace := rate.NewLimiter(misbehavesPerSec, 1)
	for n := range misbehaviours {
		rng := rand.New(rand.NewPCG(seed, uint64(n)))
		m.wg.Go(func() {
			for pace.Wait(ctx) == nil {
				m.once(ctx, rng)
			}
		})
	}
	return m
}

// once makes one request of any kind. What is answered while things are broken is
// not judged: only that the api answers at all.
func (m *misbehaviour) once(ctx context.Context, rng *rand.Rand) {
	kinds := map[string]func(ctx context.Context, api *process) (harness.Answer, error){
		"lists of large messages": func(ctx context.Context, api *process) (harness.Answer, error) {
			return m.get(ctx, api, "/v1/messages?limit=200")
		},
		"forged cursors": func(ctx context.Context, api *process) (harness.Answer, error) {
			cursor := base64.RawURLEncoding.EncodeToString([]byte("places " + strconv.Itoa(int(rng.Uint32()))))
			return m.get(ctx, api, "/v1/messages?status=failed&cursor="+cursor+"&batchId="+m.lastBatch())
		},
		"searches for a number": func(ctx context.Context, api *process) (harness.Answer, error) {
			return m.stack.client.Do(ctx, http.MethodDelete, api.base+"/v1/messages?to="+url.QueryEscape(numberPool.Next()), nil, m.key())
		},
		"rows of unknown names": func(ctx context.Context, api *process) (harness.Answer, error) {
			return m.stream(ctx, api, strings.Repeat(unknownNames(), 100))
		},
		"large rows of a later day": m.hold,
	}
	name := slices.Sorted(maps.Keys(kinds))[rng.IntN(len(kinds))]
	api := m.stack.apis[rng.IntN(len(m.stack.apis))]
	if got, err := kinds[name](ctx, api); err == nil && got.Status < http.StatusInternalServerError {
		m.mu.Lock()
		m.answers[name]++
		m.mu.Unlock()
	}
}

func (m *misbehaviour) key() harness.Header { return harness.Bearer(m.stack.otherKey) }

func (m *misbehaviour) get(ctx context.Context, api *process, path string) (harness.Answer, error) {
	return m.stack.client.Do(ctx, http.MethodGet, api.base+path, nil, m.key())
}

func (m *misbehaviour) stream(ctx context.Context, api *process, rows string) (harness.Answer, error) {
	return m.stack.client.Do(ctx, http.MethodPost, api.base+"/v1/batches", rows, m.key(),
		harness.Header{Name: "Content-Type", Value: "application/x-ndjson"})
}

// lastBatch is the id of a batch that was accepted.
func (m *misbehaviour) lastBatch() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.batch
}

// hold hands large rows over that are not due during the test, as long as there is
// room for some.
func (m *misbehaviour) hold(ctx context.Context, api *process) (harness.Answer, error) {
	m.mu.Lock()
	room := m.left >= heldRowsAtOnce
	if room {
		m.left -= heldRowsAtOnce
	}
	m.mu.Unlock()
	if !room {
		return m.get(ctx, api, "/v1/messages?limit=200")
	}
	got, err := m.stream(ctx, api, strings.Repeat(largeRow(), heldRowsAtOnce))
	if id, found := strings.CutPrefix(got.Header.Get("Location"), "/v1/batches/"); err == nil && found {
		m.mu.Lock()
		m.batch = id
		m.mu.Unlock()
	}
	return got, err
}

// unknownNames is a row of NDJSON with 900 problems.
func unknownNames() string {
	var row strings.Builder
	row.WriteString(`{"to":"+12065551212"`)
	for n := range 900 {
		row.WriteString(`,"` + strconv.Itoa(n) + `":""`)
	}
	return row.String() + "}\n"
}

// largeRow is a row of NDJSON of nearly 60 KB for a message of tomorrow.
func largeRow() string {
	metadata := make(map[string]string)
	for n := range 20 {
		metadata[fmt.Sprintf("key-%02d", n)] = strings.Repeat("\U0001f600", 500)
	}
	row, _ := json.Marshal(map[string]any{ //nolint:errchkjson // texts and times have an encoding
		"to": numberPool.Next(), "mediaUrl": "https://media.example.com/a.jpg", "text": strings.Repeat("\u5b57", 4800),
		"metadata": metadata, "sendAt": time.Now().AddDate(0, 0, 1),
	})
	return string(row) + "\n"
}

// finish waits until no request is under way, and checks that each kind was
// answered at least once: the other tenant did misbehave.
func (m *misbehaviour) finish(t *testing.T) map[string]int {
	t.Helper()
	m.wg.Wait()
	const kinds = 5
	if len(m.answers) < kinds {
		t.Errorf("of the other tenant's requests only these were answered: %v", m.answers)
	}
	return m.answers
}
