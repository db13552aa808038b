package ledger

import (
	"strconv"
	"strings"

	"mmsdispatch/internal/message"
)

// words are texts that nearly every record has: a record holds their places, counted
// from one. They are a part of the schema: a word is never moved and never removed.
var words = []string{ //nolint:gochecknoglobals // a constant table
	"scheduled", "queued", "sending", "sent", "delivered", "undelivered", "failed", "expired",
	"canceled", "unknown",
	"high", "normal", "bulk",
	"calling", "accepted",
	"mms", "batches", "conversation", "simulator",
	"MMS", "SMS",
	"attempt begun", "accepted by Sinch", "due", "replayed",
	"receipt: sent", "receipt: sent (N101)", "receipt: delivered", "receipt: delivered (N102)", "receipt: delivered as SMS (N202)",
	"receipt: delivered (0)", "receipt: delivered (DELIVERED)", "receipt: sent (Dispatched)", "receipt: delivered (Delivered)",
}

// event is a state with the text of an entry of the timeline.
type event struct {
	status message.Status
	detail string
}

// events are those that nearly every timeline consists of. As words they are a part
// of the schema; the first fifteen take one byte.
var events = []event{ //nolint:gochecknoglobals // a constant table
	{message.StatusQueued, "accepted"},
	{message.StatusSending, "attempt begun"},
	{message.StatusSent, "accepted by Sinch"},
	{message.StatusSent, "receipt: sent"},
	{message.StatusDelivered, "receipt: delivered"},
	{message.StatusSent, "receipt: sent (N101)"},
	{message.StatusDelivered, "receipt: delivered (N102)"},
	{message.StatusSent, "receipt: sent (Dispatched)"},
	{message.StatusDelivered, "receipt: delivered (Delivered)"},
	{message.StatusDelivered, "receipt: delivered (0)"},
	{message.StatusScheduled, "accepted"},
	{message.StatusQueued, "due"},
	{message.StatusDelivered, "receipt: delivered as SMS (N202)"},
	{message.StatusQueued, "replayed"},
	{message.StatusCanceled, "canceled"},
	{message.StatusExpired, "expired"},
	{message.StatusDelivered, "receipt: sent"},
	{message.StatusDelivered, "receipt: sent (N101)"},
	{message.StatusDelivered, "receipt: sent (Dispatched)"},
	{message.StatusDelivered, "receipt: delivered (DELIVERED)"},
	{message.StatusDelivered, "accepted by Sinch"},
}

var placeOfEvent = placesOf(events) //nolint:gochecknoglobals // the reverse of events

// eventAt is the event at a place; empty for none that this release knows.
func eventAt(place uint64) event {
	if place < 1 || place > uint64(len(events)) {
		return event{}
	}
	return events[place-1]
}

var placeOfWord = placesOf(words) //nolint:gochecknoglobals // the reverse of words

// placesOf is the reverse of a table, counted from one.
func placesOf[T comparable](table []T) map[T]int64 {
	at := make(map[T]int64, len(table))
	for i, one := range table {
		at[one] = int64(i) + 1
	}
	return at
}

// wordAt is the word at a place; empty for none that this release knows.
func wordAt(place int64) string {
	if place < 1 || place > int64(len(words)) {
		return ""
	}
	return words[place-1]
}

// digitsOf is an E.164 number as a number, or 0 for any other text.
func digitsOf(number string) int64 {
	digits, plus := strings.CutPrefix(number, "+")
	if !plus || digits == "" || digits[0] < '1' || digits[0] > '9' {
		return 0
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// numberOf is the reverse of digitsOf.
func numberOf(digits int64) string { return "+" + strconv.FormatInt(digits, 10) }

// since packs a time as what has passed since a base, both in Unix milliseconds:
// never as zero, which stands for no time.
func since(base, at int64) int64 {
	if at >= base {
		return at - base + 1
	}
	return at - base
}

// sinceBase is the reverse of since.
func sinceBase(base, packed int64) int64 {
	if packed > 0 {
		packed--
	}
	return base + packed
}
