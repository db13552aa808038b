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
	Kind   string // wait, call, receipt or callback
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
	scale(bars)
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
			bars = append(bars, b)
		case e.Status.Waiting():
			bars = append(bars, bar{Label: "Waits", Kind: "wait", Begin: e.At, Took: end.Sub(e.At), Detail: e.Detail})
		}
	}
	return bars
}

// isReceipt reports whether an entry stems from a report of Sinch.
func isReceipt(e message.Entry) bool {
	return e.Status == message.StatusDelivered || e.Status == message.StatusUndelivered || strings.HasPrefix(e.Detail, "receipt")
}

// scale places the bars between the first and the last time.
func scale(bars []bar) {
	if len(bars) == 0 {
		return
	}
	first, last := bars[0].Begin, bars[0].Begin
	for _, b := range bars {
		if b.Begin.Before(first) {
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
		x := bars[i].Begin.Sub(first).Seconds() / span * whole
		width := max(bars[i].Took.Seconds()/span*whole, least)
		bars[i].X, bars[i].Width = fmt.Sprintf("%.2f", min(x, whole-least)), fmt.Sprintf("%.2f", min(width, whole))
	}
}
