package sinchsim

import (
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Call is the record of one call.
type Call struct {
	// Seq counts all calls, from 1.
	Seq       uint64    `json:"seq"`
	At        time.Time `json:"at"`
	API       API       `json:"api"`
	Operation string    `json:"operation"` // sendmms, send, list, get, …
	Reference string    `json:"reference,omitzero"`
	// Message is the reference up to its last hyphen.
	Message string   `json:"message,omitzero"`
	Numbers []string `json:"numbers,omitzero"` // recipients, bare
	// Accepted: Sinch has the message, independent of the response.
	Accepted bool `json:"accepted"`
	// Answer is the error code, the HTTP status or the behaviour's answer.
	Answer string         `json:"answer"`
	ID     string         `json:"id,omitzero"` // tracking id or batch id of an accepted call
	Body   jsontext.Value `json:"body,omitzero"`
	// Media is the number of media that Sinch fetches for the accepted call, counted
	// also without Options.FetchMedia.
	Media int `json:"-"`
}

// Stats are the totals since the start or the last reset.
type Stats struct {
	Calls    uint64            `json:"calls"`    // calls that send a message
	Accepted uint64            `json:"accepted"` // of those
	Reached  uint64            `json:"reached"`  // recipients of the accepted calls
	Lookups  uint64            `json:"lookups"`  // lists, gets, reports
	InFlight int64             `json:"inFlight"` // calls not answered yet, lookups included
	Answers  map[string]uint64 `json:"answers"`  // calls by answer
	APIs     map[API]uint64    `json:"apis"`     // calls by API
	Messages int               `json:"messages"` // messages with an accepted call
	Doubled  int               `json:"doubled"`  // messages with more than one
	Receipts ReceiptStats      `json:"receipts"`
	// MediaFetches is the number of media that Sinch fetched for accepted calls.
	MediaFetches uint64 `json:"mediaFetches"`
}

// ReceiptStats count receipts since the start or the last reset.
type ReceiptStats struct {
	Scheduled uint64 `json:"scheduled"`
	Delivered uint64 `json:"delivered"`
	Retried   uint64 `json:"retried"`
	Dropped   uint64 `json:"dropped"` // out of retries, refused permanently, or beyond MaxPending
	Pending   int    `json:"pending"`
}

// recorder records calls. One lock covers a call and its acceptance, so that a reader
// sees both or neither.
type recorder struct {
	countsOnly bool
	keepBodies bool
	maxCalls   int

	mu       sync.Mutex
	calls    Ring[Call]
	seq      uint64
	stats    Stats
	byRef    map[string]int
	byMsg    map[string]int
	byNumber map[string]int
}

func newRecorder(o Options) *recorder {
	b := &recorder{countsOnly: o.CountsOnly, keepBodies: o.KeepBodies, maxCalls: o.MaxRecords}
	b.reset()
	return b
}

func (b *recorder) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = Ring[Call]{Limit: b.maxCalls}
	b.stats = Stats{Answers: map[string]uint64{}, APIs: map[API]uint64{}}
	b.byRef, b.byMsg, b.byNumber = map[string]int{}, map[string]int{}, map[string]int{}
}

// record records a call, and its acceptance with it.
func (b *recorder) record(c Call) {
	if !b.keepBodies {
		c.Body = nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Calls++
	b.stats.Answers[c.Answer]++
	b.stats.APIs[c.API]++
	if c.Accepted {
		b.stats.MediaFetches += uint64(max(c.Media, 0))
	}
	if c.Accepted && len(c.Numbers) > 0 { // a saved template is no message
		b.accept(c)
	}
	b.keep(c)
}

// recordLookup records a call that sends nothing.
func (b *recorder) recordLookup(c Call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Lookups++
	b.keep(c)
}

// recordOther records a token request.
func (b *recorder) recordOther(c Call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keep(c)
}

func (b *recorder) accept(c Call) {
	b.stats.Accepted++
	b.stats.Reached += uint64(len(c.Numbers))
	if b.countsOnly {
		return
	}
	if c.Reference != "" {
		b.byRef[c.Reference]++
		b.byMsg[c.Message]++
		switch b.byMsg[c.Message] {
		case 1:
			b.stats.Messages++
		case 2: // the first double
			b.stats.Doubled++
		}
	}
	for _, number := range c.Numbers {
		b.byNumber[number]++
	}
}

func (b *recorder) keep(c Call) {
	b.seq++
	if b.countsOnly {
		return
	}
	c.Seq = b.seq
	b.calls.Push(c)
}

// Ring keeps the latest entries up to its limit.
type Ring[T any] struct {
	Limit int
	items []T
	start int
}

// Push adds v and returns the entry that it evicts.
func (r *Ring[T]) Push(v T) (old T, dropped bool) {
	if len(r.items) < r.Limit {
		r.items = append(r.items, v)
		return old, false
	}
	old, r.items[r.start] = r.items[r.start], v
	r.start = (r.start + 1) % len(r.items)
	return old, true
}

// all yields the entries, oldest first.
func (r *Ring[T]) all(yield func(T) bool) {
	for i := range r.items {
		if !yield(r.items[(r.start+i)%len(r.items)]) {
			return
		}
	}
}
