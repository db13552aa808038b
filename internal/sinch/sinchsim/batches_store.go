package sinchsim

import (
	"slices"
	"sync"
	"time"
)

// batch is an accepted batch. Nothing but canceled ever changes: what became of
// a recipient at some moment is read off its steps.
type batch struct {
	id         string
	plan       string
	request    *batchRequest
	created    time.Time
	recipients []recipient

	mu       sync.Mutex
	canceled time.Time // zero: not canceled
}

type recipient struct {
	number   string
	steps    []step
	receipts Receipts
}

// batchView is a batch as the API shows it. Nulls are left out.
type batchView struct {
	ID               string                       `json:"id"`
	To               []string                     `json:"to"`
	From             string                       `json:"from"`
	Canceled         bool                         `json:"canceled"`
	Parameters       map[string]map[string]string `json:"parameters,omitzero"`
	Body             *batchBody                   `json:"body"`
	Type             string                       `json:"type"`
	CreatedAt        string                       `json:"created_at"`
	ModifiedAt       string                       `json:"modified_at"`
	DeliveryReport   string                       `json:"delivery_report"`
	SendAt           string                       `json:"send_at,omitzero"`
	ExpireAt         string                       `json:"expire_at"`
	CallbackURL      string                       `json:"callback_url,omitzero"`
	Reference        string                       `json:"client_reference,omitzero"`
	FeedbackEnabled  bool                         `json:"feedback_enabled"`
	StrictValidation bool                         `json:"strict_validation"`
}

func newBatch(id, plan string, q *batchRequest, now time.Time) *batch {
	return &batch{id: id, plan: plan, request: q, created: now}
}

func (b *batch) canceledAt() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.canceled
}

func (b *batch) cancel(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.canceled.IsZero() {
		b.canceled = now
	}
}

func (b *batch) view() batchView {
	q, canceled := b.request, b.canceledAt()
	modified := b.created
	if !canceled.IsZero() {
		modified = canceled
	}
	return batchView{
		ID: b.id, To: q.To, From: q.From, Canceled: !canceled.IsZero(), Parameters: q.Parameters, Body: q.Body,
		Type: q.Type, CreatedAt: xmsTime(b.created), ModifiedAt: xmsTime(modified),
		DeliveryReport: q.DeliveryReport, SendAt: xmsTime(q.sendAt), ExpireAt: xmsTime(q.expireAt),
		CallbackURL: q.CallbackURL, Reference: q.Reference,
		FeedbackEnabled: q.FeedbackEnabled, StrictValidation: q.StrictValidation,
	}
}

// batchStore keeps the latest batches, by id and by client reference.
type batchStore struct {
	limit int

	mu          sync.RWMutex
	order       ring[*batch]
	byID        map[string]*batch
	byReference map[string][]*batch
}

func newBatchStore(limit int) *batchStore {
	s := &batchStore{limit: limit}
	s.forget()
	return s
}

func (s *batchStore) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order = ring[*batch]{limit: s.limit}
	s.byID, s.byReference = map[string]*batch{}, map[string][]*batch{}
}

func (s *batchStore) add(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, dropped := s.order.push(b); dropped {
		delete(s.byID, old.id)
		s.unlink(old)
	}
	s.byID[b.id] = b
	if ref := b.request.Reference; ref != "" {
		s.byReference[ref] = append(s.byReference[ref], b)
	}
}

func (s *batchStore) unlink(old *batch) {
	ref := old.request.Reference
	rest := slices.DeleteFunc(s.byReference[ref], func(b *batch) bool { return b == old })
	if len(rest) == 0 {
		delete(s.byReference, ref)
		return
	}
	s.byReference[ref] = rest
}

func (s *batchStore) get(plan, id string) (*batch, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, ok := s.byID[id]
	return b, ok && b.plan == plan
}

// find returns the batches of a plan that match, newest first. A reference, if
// given, is looked up instead of searched for.
func (s *batchStore) find(plan, reference string, matches func(*batch) bool) []*batch {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []*batch
	add := func(b *batch) {
		if b.plan == plan && matches(b) {
			found = append(found, b)
		}
	}
	if reference != "" {
		for _, b := range s.byReference[reference] {
			add(b)
		}
	} else {
		for b := range s.order.all {
			add(b)
		}
	}
	slices.Reverse(found)
	return found
}
