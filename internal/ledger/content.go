package ledger

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
)

// contentSearchEvery is the time between two searches of all processes: messages
// can become final under a process that still runs with another ContentTTL.
const contentSearchEvery = time.Hour

// ContentSearch places final messages on the list Content that are not on it, or
// too late: they became final when ContentTTL was zero or longer. It is not safe
// for concurrent use.
type ContentSearch struct {
	ledger  *Ledger
	cursor  uint64 // of SCAN
	running bool
}

// NewContentSearch creates a search, which begins with the first Step.
func (l *Ledger) NewContentSearch() *ContentSearch { return &ContentSearch{ledger: l} }

// Step continues the search for about a time, and always by some messages. Between
// two searches it does nothing. The error wraps ErrUnavailable.
func (s *ContentSearch) Step(ctx context.Context, atMost time.Duration) error {
	l := s.ledger
	if !s.running {
		done, err := s.isDone(ctx)
		if err != nil || done {
			return err
		}
		s.running, s.cursor = true, 0
	}
	node, err := redisconn.NodeOf(ctx, l.rdb, l.contentSearchKey())
	if err != nil {
		return unavailable("search content", err)
	}
	for begun := time.Now(); time.Since(begun) < atMost; {
		keys, next, err := node.Scan(ctx, s.cursor, l.opts.Prefix+"*", scanAtOnce).Result()
		if err != nil {
			return unavailable("search content", err)
		}
		if err := l.placeContent(ctx, l.recordKeys(keys)); err != nil {
			return err
		}
		if s.cursor = next; next == 0 {
			s.running = false
			return s.setDone(ctx)
		}
	}
	return nil
}

func (l *Ledger) contentSearchKey() string { return l.key("content:searched") }

// searched is the value of the key of a search that is done: another ContentTTL
// needs another search.
func (s *ContentSearch) searched() string {
	return strconv.FormatInt(s.ledger.opts.ContentTTL.Milliseconds(), 10)
}

func (s *ContentSearch) isDone(ctx context.Context) (bool, error) {
	value, err := s.ledger.rdb.Get(ctx, s.ledger.contentSearchKey()).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return false, unavailable("search content", err)
	}
	return value == s.searched(), nil
}

func (s *ContentSearch) setDone(ctx context.Context) error {
	if err := s.ledger.rdb.Set(ctx, s.ledger.contentSearchKey(), s.searched(), contentSearchEvery).Err(); err != nil {
		return unavailable("search content", err)
	}
	return nil
}

// ContentDue is when the content of a final message is dropped.
func (l *Ledger) ContentDue(m *message.Message) time.Time { return m.FinalAt.Add(l.opts.ContentTTL) }

// placeContent places those of some messages that are final on the list Content.
func (l *Ledger) placeContent(ctx context.Context, records []string) error {
	for len(records) > 0 {
		values, _, err := l.readValues(ctx, records[:min(len(records), readMax)])
		if err != nil {
			return err
		}
		records = records[len(values):]
		if err := l.placeDue(ctx, values); err != nil {
			return err
		}
	}
	return nil
}

// placeDue is placeContent for records that were read. A message that is replayed
// meanwhile is taken off when it is due.
func (l *Ledger) placeDue(ctx context.Context, records []any) error {
	var (
		ids []string
		due []redis.Z
	)
	for _, value := range records {
		raw, _ := value.(string)
		r, err := l.codec.decode([]byte(raw))
		if err != nil || !r.message.Status.Final() || !r.message.RedactedAt.IsZero() { // a record whose key is missing waits for it
			continue
		}
		ids = append(ids, r.message.ID.Packed())
		due = append(due, redis.Z{Score: float64(l.ContentDue(r.message).UnixMilli()), Member: r.message.ID.Packed()})
	}
	if len(ids) == 0 {
		return nil
	}
	scores, err := l.rdb.ZMScore(ctx, l.key(string(Content)), ids...).Result()
	if err != nil {
		return unavailable("search content", err)
	}
	const listedWithin = 1000 // ms from the final change to its record
	missing := due[:0]
	for i, z := range due {
		if scores[i] == 0 || scores[i] > z.Score+listedWithin { // nothing is due in 1970
			missing = append(missing, z)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if err := l.rdb.ZAddLT(ctx, l.key(string(Content)), missing...).Err(); err != nil {
		return unavailable("search content", err)
	}
	return nil
}
