package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redisconn"
	"mmsdispatch/internal/telemetry"
)

// Action names what an operator did.
type Action string

// The actions.
const (
	ActionPause         Action = "pause"
	ActionResume        Action = "resume"
	ActionRateSet       Action = "rate.set"
	ActionRateReset     Action = "rate.reset"
	ActionKeyCreate     Action = "key.create"
	ActionKeyUpdate     Action = "key.update"
	ActionKeyRotate     Action = "key.rotate"
	ActionKeyRevoke     Action = "key.revoke"
	ActionMessageReplay Action = "message.replay"
	ActionMessageCancel Action = "message.cancel"
	ActionMessageReveal Action = "message.reveal"
	ActionMessageErase  Action = "message.erase"
	ActionPersonErase   Action = "person.erase"
	ActionOptOutAdd     Action = "optout.add"
	ActionOptOutRemove  Action = "optout.remove"
	ActionQueueChange   Action = "queue.change" // made in the queue UI
)

// Origin is where an action came from.
type Origin string

// The origins.
const (
	FromCtl     Origin = "mmsctl"
	FromConsole Origin = "console" // the admin listener, the queue UI included
)

// Entry is one action of an operator. It holds neither the content of a message
// nor a full number: Target names a message or a batch by its id and a number by
// Masked.
type Entry struct {
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	From   Origin    `json:"from"`
	Action Action    `json:"action"`
	Target string    `json:"target"`
	Reason string    `json:"reason"`
	Before any       `json:"before"` // nil: there was nothing, or it is not known
	After  any       `json:"after"`
}

const (
	// auditKey is the list of the entries, newest first.
	auditKey = redisconn.KeyPrefix + "audit"
	// UnloggedKey is the list of the entries that the long-term log does not have yet,
	// oldest first.
	UnloggedKey = redisconn.KeyPrefix + "audit:unlogged"
	// auditKept is how many entries the list holds.
	auditKept = 10_000
)

// audit is the record of what operators did.
type audit struct {
	rdb    redis.UniversalClient
	logged bool // entries also wait for the long-term log
}

func (a audit) add(ctx context.Context, e Entry) error {
	e.Reason = scrubbed(e.Reason)
	value, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("record %s: %w", e.Action, err)
	}
	pipe := a.rdb.Pipeline()
	added := []*redis.IntCmd{pipe.LPush(ctx, auditKey, value)}
	if a.logged {
		added = append(added, pipe.RPush(ctx, UnloggedKey, value))
	}
	pipe.LTrim(ctx, auditKey, 0, auditKept-1)
	_, _ = pipe.Exec(ctx) // a list that is too long is cut with the next entry
	for _, one := range added {
		if err := one.Err(); err != nil {
			return fmt.Errorf("record %s: %w: %w", e.Action, ErrUnavailable, err)
		}
	}
	return nil
}

// scrubbed is a reason without what may be a phone number.
func scrubbed(reason string) string { return telemetry.Scrub(reason) }

// Audit lists what operators did since a moment, newest first. It reads no further
// than needed: the clocks of processes differ by less than auditSlack.
func Audit(ctx context.Context, rdb redis.UniversalClient, since time.Time) ([]Entry, error) {
	const (
		chunk      = 200
		auditSlack = time.Minute
	)
	entries, seen := []Entry{}, make(map[string]bool) // an entry added meanwhile moves the others
	for first := int64(0); ; first += chunk {
		values, err := rdb.LRange(ctx, auditKey, first, first+chunk-1).Result()
		if err != nil {
			return nil, fmt.Errorf("read audit: %w: %w", ErrUnavailable, err)
		}
		older := false
		for _, value := range values {
			var e Entry
			if err := json.Unmarshal([]byte(value), &e); err != nil {
				return nil, fmt.Errorf("read audit: %w", err)
			}
			if !e.At.Before(since) && !seen[value] {
				entries = append(entries, e)
			}
			seen[value] = true
			older = e.At.Before(since.Add(-auditSlack))
		}
		if older || len(values) < chunk {
			return entries, nil
		}
	}
}
