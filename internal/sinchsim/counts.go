package sinchsim

import (
	"maps"
	"slices"
)

// CallFilter chooses calls. Empty fields match everything.
type CallFilter struct {
	API       API
	Operation string
	Reference string
	Message   string
	Number    string
	Accepted  *bool
	After     uint64 // only calls with a greater Seq
	Limit     int    // 0: all
}

// Calls returns the recorded calls that match, oldest first.
func (s *Simulator) Calls(f CallFilter) []Call {
	return s.recorder.find(f)
}

func (b *recorder) find(f CallFilter) []Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := []Call{}
	for c := range b.calls.all {
		if f.Limit > 0 && len(found) == f.Limit {
			break
		}
		if f.matches(c) {
			found = append(found, c)
		}
	}
	return found
}

func (f CallFilter) matches(c Call) bool {
	return c.Seq > f.After &&
		(f.API == "" || f.API == c.API) &&
		(f.Operation == "" || f.Operation == c.Operation) &&
		(f.Reference == "" || f.Reference == c.Reference) &&
		(f.Message == "" || f.Message == c.Message) &&
		(f.Number == "" || slices.Contains(c.Numbers, plain(f.Number))) &&
		(f.Accepted == nil || *f.Accepted == c.Accepted)
}

// CountBy is the key by which accepted calls are counted.
type CountBy string

// The keys.
const (
	ByMessage   CountBy = "message"
	ByReference CountBy = "reference"
	ByNumber    CountBy = "number"
)

// Accepted returns the number of accepted calls of each message, reference or number
// since the start or the last reset.
func (s *Simulator) Accepted(by CountBy) map[string]int {
	s.recorder.mu.Lock()
	defer s.recorder.mu.Unlock()
	return maps.Clone(s.recorder.counts(by))
}

// AcceptedFor returns the number of accepted calls of one message, reference or
// number.
func (s *Simulator) AcceptedFor(by CountBy, key string) int {
	if by == ByNumber {
		key = plain(key)
	}
	s.recorder.mu.Lock()
	defer s.recorder.mu.Unlock()
	return s.recorder.counts(by)[key]
}

// Doubled returns the messages that had more than one accepted call.
func (s *Simulator) Doubled() map[string]int {
	doubled := s.Accepted(ByMessage)
	maps.DeleteFunc(doubled, func(_ string, n int) bool { return n < 2 })
	return doubled
}

func (b *recorder) counts(by CountBy) map[string]int {
	switch by {
	case ByReference:
		return b.byRef
	case ByNumber:
		return b.byNumber
	case ByMessage:
	}
	return b.byMsg
}

// Stats returns the totals.
func (s *Simulator) Stats() Stats {
	s.recorder.mu.Lock()
	stats := s.recorder.stats
	stats.Answers, stats.APIs = maps.Clone(stats.Answers), maps.Clone(stats.APIs)
	s.recorder.mu.Unlock()
	stats.InFlight = s.inFlight.Load()
	for _, l := range s.lanes {
		stats.Receipts.add(l.count())
	}
	return stats
}

func (r *ReceiptStats) add(o ReceiptStats) {
	r.Scheduled += o.Scheduled
	r.Delivered += o.Delivered
	r.Retried += o.Retried
	r.Dropped += o.Dropped
	r.Pending += o.Pending
}
