package sinchsim

import "time"

// callbacks are the receipts of a batch in the style it asked for.
func (a *batchesAPI) callbacks(b *batch, r Receipts) []*event {
	address := b.request.CallbackURL
	if address == "" {
		address = a.sim.opts.Batches.CallbackURL
	}
	if address == "" && a.sim.opts.Receipts.Deliver == nil {
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

// oneCallback reports once, when every recipient is final. A recipient that
// never becomes final keeps it from ever being sent.
func (b *batch) oneCallback(address string, r Receipts) []*event {
	var last time.Time
	for _, to := range b.recipients {
		notices := to.receipts.notices(to.steps)
		if len(notices) == 0 || !isFinal(to.steps[len(to.steps)-1].code) {
			return nil
		}
		if at := to.steps[len(to.steps)-1].at; at.After(last) {
			last = at
		}
	}
	everything := func(step) bool { return true }
	body := encode(b.summary(last, b.request.DeliveryReport == reportFull, everything))
	times := 1
	if r.Duplicate {
		times++
	}
	var events []*event
	for range times {
		events = append(events, b.event(address, last, "", body, step{at: last}))
	}
	return events
}

func (b *batch) recipientCallbacks(address string) []*event {
	var events []*event
	for _, to := range b.recipients {
		for _, n := range to.receipts.notices(to.steps) {
			if b.request.DeliveryReport == reportRecipientFinal && !isFinal(n.code) {
				continue
			}
			body := encode(b.recipientReport(to.number, n.step))
			events = append(events, b.event(address, n.due, n.code, body, n.step))
		}
	}
	return events
}

// event is a callback that loses its meaning when the batch is canceled before
// what it reports.
func (b *batch) event(address string, due time.Time, code string, body []byte, s step) *event {
	return &event{
		due: due,
		stale: func() bool {
			canceled := b.canceledAt()
			return !canceled.IsZero() && canceled.Before(b.request.sendAt) && s.at.After(canceled)
		},
		Receipt: Receipt{API: APIBatches, URL: address, Reference: b.request.Reference, Code: code, Body: body},
	}
}
