package workers

import (
	"math"
	"sync"
	"time"
)

const (
	// slotLength and slots bound what a Recorder keeps: the calls of a minute.
	slotLength = 5 * time.Second
	slots      = 13
	// paceSlots are the whole slots over which the pace is measured.
	paceSlots = 2
	// bucketFactor is the ratio of the bounds of a bucket of durations.
	bucketFactor = 1.1
)

// Recorder counts the calls of a worker over the last minute. It is safe for
// concurrent use.
type Recorder struct {
	now func() time.Time

	mu    sync.Mutex
	slots [slots]slot
}

// slot counts the calls that ended within slotLength.
type slot struct {
	number  int64 // Unix time divided by slotLength
	calls   int64
	errors  int64
	buckets map[int]int64 // calls by bucketOf
}

// NewRecorder returns an empty Recorder.
func NewRecorder() *Recorder { return &Recorder{now: time.Now} }

// Record counts a call that has ended.
func (r *Recorder) Record(took time.Duration, failed bool) {
	number := r.now().UnixNano() / int64(slotLength)
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.slots[number%slots]
	if s.number != number {
		*s = slot{number: number, buckets: make(map[int]int64)}
	}
	s.calls++
	s.buckets[bucketOf(took)]++
	if failed {
		s.errors++
	}
}

// Calls are the calls of the last minute.
func (r *Recorder) Calls() Calls {
	current := r.now().UnixNano() / int64(slotLength)
	c := Calls{Durations: make(map[int]int64)}
	r.mu.Lock()
	defer r.mu.Unlock()
	recent := int64(0)
	for _, s := range r.slots {
		age := current - s.number
		if s.calls == 0 || age >= slots {
			continue
		}
		c.Count += s.calls
		c.Errors += s.errors
		for bucket, n := range s.buckets {
			c.Durations[bucket] += n
		}
		if age >= 1 && age <= paceSlots {
			recent += s.calls
		}
	}
	c.PerSecond = float64(recent) / (paceSlots * slotLength).Seconds()
	return c
}

// Calls counts the calls of a minute.
type Calls struct {
	Count     int64         `json:"count"`
	Errors    int64         `json:"errors"`
	PerSecond float64       `json:"perSecond"` // over the last ten seconds
	Durations map[int]int64 `json:"durations"` // calls by bucket
}

// Add adds the calls of another worker.
func (c *Calls) Add(o Calls) {
	c.Count += o.Count
	c.Errors += o.Errors
	c.PerSecond += o.PerSecond
	if c.Durations == nil {
		c.Durations = make(map[int]int64)
	}
	for bucket, n := range o.Durations {
		c.Durations[bucket] += n
	}
}

// Shares of the calls, for Quantile.
const (
	Median   = 0.5
	Slowest1 = 0.99 // all but the slowest hundredth
)

// Quantile is the duration that the share q of the calls did not exceed, with an
// error of at most a tenth; zero without calls.
func (c *Calls) Quantile(q float64) time.Duration {
	all, highest := int64(0), 0
	for bucket, n := range c.Durations {
		all += n
		highest = max(highest, bucket)
	}
	if all == 0 {
		return 0
	}
	wanted, seen := int64(math.Ceil(q*float64(all))), int64(0)
	for bucket := range highest + 1 {
		if seen += c.Durations[bucket]; seen >= wanted {
			return durationOf(bucket)
		}
	}
	return durationOf(highest)
}

// bucketOf is the bucket of a duration: 0 up to a millisecond, and then one for each
// power of bucketFactor.
func bucketOf(took time.Duration) int {
	ms := float64(took) / float64(time.Millisecond)
	if ms <= 1 {
		return 0
	}
	return int(math.Ceil(math.Log(ms) / math.Log(bucketFactor)))
}

// durationOf is the upper bound of a bucket.
func durationOf(bucket int) time.Duration {
	return time.Duration(math.Pow(bucketFactor, float64(bucket)) * float64(time.Millisecond))
}
