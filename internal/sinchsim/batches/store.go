package batches

import (
	"sync"
	"time"

	"mmsdispatch/internal/sinchsim"
)

// batch is an accepted batch. Only canceled ever changes: the state of a recipient at
// a time is computed from its steps.
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
	steps    []sinchsim.Step
	receipts sinchsim.Receipts
}

// batchView is a batch in the API's format, without nulls.
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
		Type: q.Type, CreatedAt: sinchsim.FormatTime(b.created), ModifiedAt: sinchsim.FormatTime(modified),
		DeliveryReport: q.DeliveryReport, SendAt: sinchsim.FormatTime(q.sendAt), ExpireAt: sinchsim.FormatTime(q.expireAt),
		CallbackURL: q.CallbackURL, Reference: q.Reference,
		FeedbackEnabled: q.FeedbackEnabled, StrictValidation: q.StrictValidation,
	}
}

func (b *batch) Identity() string { return b.id }

// Key implements sinchsim.Stored: the client reference.
func (b *batch) Key() string { return b.request.Reference }
