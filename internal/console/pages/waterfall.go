package pages

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"mmsdispatch/internal/callback"
	"mmsdispatch/internal/message"
)

// bar is a line of the waterfall.
type bar struct {
	Label  string
	Kind   string // wait, call, receipt or callback; of a part of a call: dns, connect, tls or firstbyte
	Part   bool   // of the call above, and drawn on its axis
	Begin  time.Time
	Took   time.Duration
	Detail string
	X      string // in percent of the whole
	Width  string
}

// barsOf draws the waits and attempts of a message, its receipts and its callbacks.
func barsOf(m *message.Message, deliveries []callback.Delivery, now time.Time) []bar {
	bars := timelineBars(m, now)
	for _, d := range slices.Backward(deliveries) {
		end := d.LastAttemptAt
		if d.Status == callback.Pending {
			end = now
		}
		bars = append(bars, bar{
			Label: "Callback " + string(d.Event), Kind: "callback", Begin: d.CreatedAt, Took: max(0, end.Sub(d.CreatedAt)),
			Detail: fmt.Sprintf("%s after %d attempts", d.Status, d.Attempts),
		})
	}
	scale(bars, false)
	return bars
}

// timelineBars are the waits, attempts and receipts of the timeline.
func timelineBars(m *message.Message, now time.Time) []bar {
	var bars []bar
	begun := make(map[int]bool) // attempts that the timeline has begun
	for i, e := range m.Timeline {
		end := now
		if i+1 < len(m.Timeline) {
			end = m.Timeline[i+1].At
		}
		switch {
		case isReceipt(e):
			bars = append(bars, bar{Label: "Receipt", Kind: "receipt", Begin: e.At, Detail: e.Detail})
		case e.Status == message.StatusSending && !begun[e.Attempt]:
			begun[e.Attempt] = true
			b := bar{Label: fmt.Sprintf("Attempt %d", e.Attempt), Kind: "call", Begin: e.At, Took: end.Sub(e.At), Detail: "in flight"}
			if i+1 < len(m.Timeline) {
				b.Detail = m.Timeline[i+1].Detail
			}
			bars = append(append(bars, b), partBars(b, phasesOf(m, e.Attempt))...)
		case e.Status.Waiting():
			bars = append(bars, bar{Label: "Waits", Kind: "wait", Begin: e.At, Took: end.Sub(e.At), Detail: e.Detail})
		}
	}
	return bars
}

// isReceipt reports whether an entry stems from a report of Sinch.
func isReceipt(e message.Entry) bool { return strings.HasPrefix(e.Detail, "receipt") }

// phasesOf are the HTTP phases of an attempt; nil: they are not known.
func phasesOf(m *message.Message, attempt int) *message.Phases {
	for _, e := range m.Timeline {
		if e.Attempt == attempt && e.Phases != nil {
			return e.Phases
		}
	}
	return nil
}

// partBars are the phases of a call, drawn one behind the other on an axis of their
// own: next to the waits of a message they would not be seen.
func partBars(call bar, p *message.Phases) []bar {
	if p == nil {
		return nil
	}
	connection := "new connection"
	if p.Reused {
		connection = "used connection"
	}
	first := bar{Label: "First byte", Kind: "firstbyte", Took: p.FirstByte, Detail: connection}
	switch {
	case !p.Answered && p.FirstByte > 0:
		first.Detail = connection + "; no answer came"
	case !p.Answered:
		first.Detail = "no connection"
	}
	parts := []bar{
		{Label: "DNS", Kind: "dns", Took: p.DNS},
		{Label: "Connect", Kind: "connect", Took: p.Connect},
		{Label: "TLS", Kind: "tls", Took: p.TLS},
	}
	parts = append(slices.DeleteFunc(parts, func(b bar) bool { return b.Took == 0 }), first)
	begin := call.Begin
	for i := range parts {
		parts[i].Part, parts[i].Begin = true, begin
		begin = begin.Add(parts[i].Took)
	}
	scale(parts, true)
	return parts
}

// scale places the parts of a call, or the other bars, between the first and the last
// time of them.
func scale(bars []bar, parts bool) {
	var first, last time.Time
	for _, b := range bars {
		if b.Part != parts {
			continue
		}
		if first.IsZero() || b.Begin.Before(first) {
			first = b.Begin
		}
		if end := b.Begin.Add(b.Took); end.After(last) {
			last = end
		}
	}
	const (
		whole = 100
		least = 0.6 // of a bar that can be seen
	)
	span := max(last.Sub(first), time.Millisecond).Seconds()
	for i := range bars {
		if bars[i].Part != parts {
			continue
		}
		x := bars[i].Begin.Sub(first).Seconds() / span * whole
		width := max(bars[i].Took.Seconds()/span*whole, least)
		bars[i].X, bars[i].Width = fmt.Sprintf("%.2f", min(x, whole-least)), fmt.Sprintf("%.2f", min(width, whole))
	}
}
