package batches

import (
	"time"

	"mmsdispatch/internal/sinchsim"
)

// callbacks are the receipts of a batch in its style.
func (a *api) callbacks(b *batch, r sinchsim.Receipts) []*sinchsim.Event {
	address := b.request.CallbackURL
	if address == "" {
		address = a.sim.Options().Batches.CallbackURL
	}
	if address == "" && a.sim.Options().Receipts.Deliver == nil {
		return nil
	}
	switch b.request.DeliveryReport {
	case reportSummary, reportFull:
		return b.oneCallback(address, r)
	case reportRecipient, reportRecipientFinal:
		return b.recipientCallbacks(address)
	default:
		return nil
	}
}

// oneCallback reports once, when every recipient is final. A recipient that never
// becomes final prevents it.
func (b *batch) oneCallback(address string, r sinchsim.Receipts) []*sinchsim.Event {
	var last time.Time
	for _, to := range b.recipients {
		notices := to.receipts.Notices(to.steps)
		if len(notices) == 0 || !isFinal(to.steps[len(to.steps)-1].Code) {
			return nil
		}
		if at := to.steps[len(to.steps)-1].At; at.After(last) {
			last = at
		}
	}
	everything := func(sinchsim.Step) bool { return true }
	body := sinchsim.Encode(b.summary(last, b.request.DeliveryReport == reportFull, everything))
	times := 1
	if r.Duplicate {
		times++
	}
	var events []*sinchsim.Event
	for range times {
		events = append(events, b.event(address, last, "", body, sinchsim.Step{At: last}))
	}
	return events
}

func (b *batch) recipientCallbacks(address string) []*sinchsim.Event {
	var events []*sinchsim.Event
	for _, to := range b.recipients {
		for _, n := range to.receipts.Notices(to.steps) {
			if b.request.DeliveryReport == reportRecipientFinal && !isFinal(n.Code) {
				continue
			}
			body := sinchsim.Encode(b.recipientReport(to.number, n.Step))
			events = append(events, b.event(address, n.Due, n.Code, body, n.Step))
		}
	}
	return events
}

// event is a callback that is dropped when the batch is canceled before the reported
// time.
func (b *batch) event(address string, due time.Time, code string, body []byte, s sinchsim.Step) *sinchsim.Event {
	return &sinchsim.Event{
		Due: due,
		Stale: func() bool {
			canceled := b.canceledAt()
			return !canceled.IsZero() && canceled.Before(b.request.sendAt) && s.At.After(canceled)
		},
		Receipt: sinchsim.Receipt{API: sinchsim.APIBatches, URL: address, Reference: b.request.Reference, Code: code, Body: body},
	}
}
