// Package replay sends many messages again, those that a filter selects, at a pace,
// in the background. The workers run it, and its progress is in Redis. An operator can
// also have the selected messages canceled, or their recipients opted out.
package replay

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
)

var (
	// ErrNotFound says that there is no such replay, or that it belongs to another
	// scope.
	ErrNotFound = errors.New("no such replay")
	// ErrUnavailable is redisconn.ErrUnavailable of replays.
	ErrUnavailable = fmt.Errorf("replays: %w", redisconn.ErrUnavailable)
)

// Filter selects messages. Empty members select everything.
type Filter struct {
	Scope    *message.Scope       `json:"scope"` // nil: all scopes
	Statuses []message.Status     `json:"statuses"`
	Reasons  []message.ReasonCode `json:"reasons"`
	// SinchCode is that of the reason; NoSinchCode: Sinch gave none.
	SinchCode string `json:"sinchCode,omitempty"`
	// Operator is the carrier's id; NoOperator: no receipt has named one.
	Operator string          `json:"operator,omitempty"`
	BatchID  message.BatchID `json:"batchId"`
	After    time.Time       `json:"after"` // exclusive, like Before
	Before   time.Time       `json:"before"`
}

const (
	// NoSinchCode selects messages whose reason has no code of Sinch.
	NoSinchCode = "none"
	// NoOperator selects messages whose carrier is not known.
	NoOperator = "none"
)

// Action is what is done with the selected messages.
type Action string

// The actions.
const (
	SendAgain Action = ""         // the messages are sent again
	Cancel    Action = "cancel"   // those that wait are canceled
	Suppress  Action = "suppress" // their recipients are opted out of all senders of the tenant
)

// Statuses lists the states of messages with which the action can be done.
func (a Action) Statuses() []message.Status {
	switch a {
	case Cancel:
		return []message.Status{message.StatusQueued, message.StatusScheduled}
	case Suppress:
		return []message.Status{
			message.StatusFailed, message.StatusUndelivered, message.StatusExpired, message.StatusUnknown,
			message.StatusQueued, message.StatusScheduled,
		}
	case SendAgain:
	}
	return message.ReplayableStatuses()
}

// Request is a replay to create.
type Request struct {
	Filter Filter  `json:"filter"`
	Action Action  `json:"action,omitempty"`
	Rate   float64 `json:"rate"` // messages per second
	// Force also replays messages of unknown outcome, which may be sent twice then.
	Force bool `json:"force"`
	// Reason is that of the opt-outs.
	Reason string `json:"reason,omitempty"`
}

// Status is the state of a replay.
type Status string

// The states.
const (
	Running  Status = "running"
	Done     Status = "done"
	Canceled Status = "canceled"
)

// Replay is the progress of a request.
type Replay struct {
	Request

	ID        string
	Status    Status
	Total     int64 // messages that were selected
	Replayed  int64 // messages with which the action was done
	Skipped   int64 // messages that have expired, were changed since they were selected, or whose recipient was opted out before
	CreatedAt time.Time
}

// Selection is what a filter selects now.
type Selection struct {
	Count     int
	MayDouble int // of unknown outcome
	Attempted int // with an attempt that Sinch may have accepted, those of unknown outcome included
	Sample    []message.ID

	entries []any // packed
}

// idPrefix begins the id of a replay.
const idPrefix = "rpl_"

// ValidID reports whether a text can be the id of a replay.
func ValidID(id string) bool {
	rest, found := strings.CutPrefix(id, idPrefix)
	if !found {
		return false
	}
	parsed, err := ulid.ParseStrict(rest)
	return err == nil && strings.ToLower(parsed.String()) == rest
}

// Ledger is the part of the record of messages that replays use.
type Ledger interface {
	Search(ctx context.Context, id message.BatchID, yield func(s ledger.Snapshot)) error
	ReadEach(ctx context.Context, ids []message.ID) ([]ledger.SnapshotResult, error)
	UpdateFrom(ctx context.Context, seen ledger.Snapshot, change ledger.Change) (*message.Message, error)
}

// Store keeps replays in Redis.
type Store struct {
	rdb    redis.UniversalClient
	ledger Ledger
	keep   time.Duration
}

// NewStore returns the store of replays. Those that have ended are kept for a while.
func NewStore(rdb redis.UniversalClient, l Ledger, keep time.Duration) *Store {
	return &Store{rdb: rdb, ledger: l, keep: keep}
}

// The keys and fields in Redis.
const (
	activeKey     = redisconn.KeyPrefix + "replays"
	fieldRequest  = "request"
	fieldStatus   = "status"
	fieldTotal    = "total"
	fieldReplayed = "replayed"
	fieldSkipped  = "skipped"
	fieldCreated  = "created"
)

func jobKey(id string) string  { return redisconn.KeyPrefix + "replay:" + id }
func listKey(id string) string { return redisconn.KeyPrefix + "replay:" + id + ":ids" }

// sampleSize is the number of ids in a sample.
const sampleSize = 10

// Select finds the messages that a filter selects. It reads every record, unless the
// filter names a batch: about a second for 100,000 messages.
func (s *Store) Select(ctx context.Context, f Filter) (Selection, error) {
	selection := Selection{Sample: []message.ID{}}
	seen := make(map[message.ID]bool)
	err := s.ledger.Search(ctx, f.BatchID, func(found ledger.Snapshot) {
		m := found.Message
		if !f.matches(m) || seen[m.ID] {
			return
		}
		seen[m.ID] = true
		selection.Count++
		if m.Status == message.StatusUnknown {
			selection.MayDouble++
		}
		if len(m.Unresolved()) > 0 {
			selection.Attempted++
		}
		if len(selection.Sample) < sampleSize {
			selection.Sample = append(selection.Sample, m.ID)
		}
		selection.entries = append(selection.entries, entry{id: m.ID, version: found.Version()}.pack())
	})
	if err != nil {
		return Selection{}, fmt.Errorf("select messages: %w", err)
	}
	return selection, nil
}

func (f Filter) matches(m *message.Message) bool {
	return (f.Scope == nil || m.Scope == *f.Scope) &&
		contains(f.Statuses, m.Status) && m.RedactedAt.IsZero() &&
		(len(f.Reasons) == 0 || m.Reason != nil && contains(f.Reasons, m.Reason.Code)) &&
		(f.SinchCode == "" || m.Reason != nil && f.SinchCode == cmp.Or(m.Reason.SinchCode, NoSinchCode)) &&
		(f.Operator == "" || f.Operator == cmp.Or(m.Operator, NoOperator)) &&
		(f.BatchID == "" || m.BatchID == f.BatchID) &&
		(f.After.IsZero() || m.CreatedAt.After(f.After)) &&
		(f.Before.IsZero() || m.CreatedAt.Before(f.Before))
}

// Create selects messages and starts to replay them.
func (s *Store) Create(ctx context.Context, r Request) (Replay, error) {
	selection, err := s.Select(ctx, r.Filter)
	if err != nil {
		return Replay{}, err
	}
	job := Replay{
		Request: r, ID: idPrefix + strings.ToLower(ulid.Make().String()), Status: Running, Total: int64(selection.Count),
		CreatedAt: time.Now().UTC().Truncate(time.Millisecond),
	}
	request, err := json.Marshal(r) //nolint:musttag // a scope is kept under the names of its members
	if err != nil {
		return Replay{}, fmt.Errorf("encode replay: %w", err)
	}
	const chunk = 1000
	for entries := selection.entries; len(entries) > 0; entries = entries[min(chunk, len(entries)):] {
		if err := s.rdb.RPush(ctx, listKey(job.ID), entries[:min(chunk, len(entries))]...).Err(); err != nil {
			return Replay{}, unavailable("create replay", err)
		}
	}
	pipe := s.rdb.TxPipeline() // it begins with its last entry in place
	pipe.HSet(ctx, jobKey(job.ID), fieldRequest, request, fieldStatus, string(Running), fieldTotal, job.Total,
		fieldReplayed, 0, fieldSkipped, 0, fieldCreated, job.CreatedAt.UnixMilli())
	pipe.SAdd(ctx, activeKey, job.ID)
	if _, err := pipe.Exec(ctx); err != nil {
		return Replay{}, unavailable("create replay", err)
	}
	return job, nil
}

// Get reads a replay. scope is that of the caller; nil: an operator.
func (s *Store) Get(ctx context.Context, scope *message.Scope, id string) (Replay, error) {
	fields, err := s.rdb.HGetAll(ctx, jobKey(id)).Result()
	if err != nil {
		return Replay{}, unavailable("read replay", err)
	}
	if len(fields) == 0 {
		return Replay{}, ErrNotFound
	}
	job := Replay{
		ID: id, Status: Status(fields[fieldStatus]), Total: number(fields[fieldTotal]), Replayed: number(fields[fieldReplayed]),
		Skipped: number(fields[fieldSkipped]), CreatedAt: time.UnixMilli(number(fields[fieldCreated])).UTC(),
	}
	if err := json.Unmarshal([]byte(fields[fieldRequest]), &job.Request); err != nil { //nolint:musttag // as written
		return Replay{}, fmt.Errorf("read replay: %w", err)
	}
	if scope != nil && (job.Filter.Scope == nil || *job.Filter.Scope != *scope || job.Action != SendAgain) {
		return Replay{}, ErrNotFound
	}
	return job, nil
}

// Running lists the replays that have not ended, the oldest first.
func (s *Store) Running(ctx context.Context) ([]Replay, error) {
	ids, err := s.rdb.SMembers(ctx, activeKey).Result()
	if err != nil {
		return nil, unavailable("list replays", err)
	}
	slices.Sort(ids) // they begin with the time
	running := make([]Replay, 0, len(ids))
	for _, id := range ids {
		job, err := s.Get(ctx, nil, id)
		switch {
		case errors.Is(err, ErrNotFound), err == nil && job.Status != Running:
		case err != nil:
			return nil, err
		default:
			running = append(running, job)
		}
	}
	return running, nil
}

// Cancel ends a replay; what it has replayed goes on. One that has ended stays as it
// is.
func (s *Store) Cancel(ctx context.Context, scope *message.Scope, id string) (Replay, error) {
	job, err := s.Get(ctx, scope, id)
	if err != nil || job.Status != Running {
		return job, err
	}
	if err := s.end(ctx, id, Canceled); err != nil {
		return job, err
	}
	return s.Get(ctx, scope, id)
}

// end ends a replay. Its keys expire after a while.
func (s *Store) end(ctx context.Context, id string, as Status) error {
	pipe := s.rdb.TxPipeline()
	pipe.HSet(ctx, jobKey(id), fieldStatus, string(as))
	pipe.Del(ctx, listKey(id))
	pipe.SRem(ctx, activeKey, id)
	pipe.PExpire(ctx, jobKey(id), s.keep)
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable("end replay", err)
	}
	return nil
}

func unavailable(operation string, err error) error {
	return fmt.Errorf("%s: %w: %w", operation, ErrUnavailable, err)
}
