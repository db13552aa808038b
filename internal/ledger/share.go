package ledger

import (
	"strconv"
	"time"

	"mmsdispatch/internal/message"
)

// The share of a tenant is a hash: its open messages by state and lane, as in
// counts, and the bytes of its messages. "bytes" are those of open messages; a
// number names a period, and counts the bytes of the records that expire in it;
// "total" is their sum. The scripts move the bytes with each change. Once in each
// period accept.lua removes the bytes of expired records and sums the total up
// again from its parts: an error in it does not outlive the records that it comes
// from.

// FinishedBytes is what a delivered message with a short text takes in Redis, about.
const FinishedBytes = 600

const (
	// openBytes is the memory of an open message beside its record: its key, its
	// places on the lists and its task.
	openBytes = 700
	// keptBytes is the memory beside its record of a message that waits for its expiry.
	keptBytes = 250
	// recordBytes is the memory of a record: Redis' allocator rounds up by a fifth at most.
	recordBytes = "local function recordBytes(value) return math.floor(#value * 1.2) end; "
	// periods divide RecordTTL.
	periods = 32
)

// bytesOpen is the field of the bytes of open messages.
const bytesOpen = "bytes"

func (l *Ledger) tenantKey(scope message.Scope) string { return l.key("tenant:" + scope.Tenant) }

// period is the length of the periods by which expiring bytes are counted.
func (l *Ledger) period() time.Duration {
	return max(l.opts.RecordTTL/periods, time.Millisecond).Truncate(time.Millisecond)
}

// bytesField names the field that counts the bytes of a record: it follows from
// the record alone, so that a later change finds it again.
func (l *Ledger) bytesField(scope message.Scope, status message.Status, updated time.Time) string {
	if !scope.Expires(status) {
		return bytesOpen
	}
	return strconv.FormatInt(updated.Add(l.opts.RecordTTL).UnixMilli()/l.period().Milliseconds(), 10)
}
