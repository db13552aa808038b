package callback

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// Event is an event that is about no state of a message.
type Event struct {
	ID    string // of its delivery
	Scope message.Scope
	Type  Type
	At    time.Time
	// Subject is the id of the inbound message that the event is about; empty: Data
	// are there.
	Subject string
	Data    []byte // JSON
}

// NewEvent makes an event with an id of its own.
func NewEvent(scope message.Scope, t Type, data []byte, at time.Time) Event {
	return Event{ID: deliveryPrefix + strings.ToLower(rand.Text()), Scope: scope, Type: t, At: at, Data: data}
}

// emission are the events of one subject that are recorded at once.
type emission struct {
	subject    string
	scope      message.Scope
	from       string         // how far the subject's events had come; empty: none yet
	upTo       int            // how far they come
	status     message.Status // there
	keep       time.Duration  // lifetime of that record; zero: unlimited
	entries    []entry
	deliveries []planned
}

// entry is an entry of the stream.
type entry struct {
	event Type
	body  []byte
}

// planned is a delivery to be made.
type planned struct {
	id      string
	address string // by which its endpoint is known
	event   Type
	subject string
	own     string // the URL of the message; empty: that of the configuration
	data    string // empty: it follows from the message
}

// TryFor is how long a delivery is tried.
const TryFor = 24 * time.Hour

// errNoScript is returned when Redis drops a script at once.
var errNoScript = errors.New("script was not kept")

// emitAll records events in one round trip. What was recorded before is left as it is.
func (s *Store) emitAll(ctx context.Context, all []emission) error {
	if len(all) == 0 {
		return nil
	}
	for range 2 {
		calls := make([]*redis.Cmd, len(all))
		pipe := s.rdb.Pipeline()
		for i, e := range all {
			keys, args := e.call(s.sealer)
			calls[i] = s.emit.EvalSha(ctx, pipe, keys, args...)
		}
		_, err := pipe.Exec(ctx)
		if !redis.HasErrorPrefix(err, noScript) {
			if err != nil {
				return unavailable("record events", err)
			}
			return nil
		}
		if err := s.emit.Load(ctx, s.rdb).Err(); err != nil {
			return unavailable("load script", err)
		}
	}
	return unavailable("record events", errNoScript)
}

// call builds the keys and arguments of the script.
func (e emission) call(s sealer) (keys []string, args []any) {
	scope := e.scope.String()
	const deliveryKeys, deliveryArgs, entryArgs, fixedArgs, fixedKeys = 2, 7, 2, 8, 5
	keys = make([]string, 0, fixedKeys+deliveryKeys*len(e.deliveries))
	args = make([]any, 0, fixedArgs+entryArgs*len(e.entries)+deliveryArgs*len(e.deliveries))
	keys = append(keys, seenKey(e.subject), streamKey(scope), deliveriesKey(scope), endpointsKey, countsKey)
	args = append(args,
		e.from, e.upTo, string(e.status), e.keep.Milliseconds(), scope, len(e.entries), StreamLength, SubscribedFor.Milliseconds())
	for _, one := range e.entries {
		args = append(args, string(one.event), s.seal(string(one.body), streamPlace(scope)))
	}
	for _, d := range e.deliveries {
		endpoint := endpointOf(scope, d.address)
		keys = append(keys, deliveryKey(d.id), dueKey(endpoint))
		args = append(args, d.id, endpoint, string(d.event), d.subject,
			s.seal(d.own, ownPlace(d.id)), s.seal(d.data, dataPlace(d.id)), TryFor.Milliseconds())
	}
	return keys, args
}

// timeLayout is RFC 3339 in UTC with milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z"

// body is the body of a callback.
func body(t Type, at time.Time, data []byte, sequence int) []byte {
	out := make([]byte, 0, len(data)+len(t)+len(timeLayout)+len(`{"type":"","timestamp":"","data":,"sequence":0000}`))
	out = append(append(append(out, `{"type":"`...), t...), `","timestamp":"`...)
	out = at.UTC().AppendFormat(out, timeLayout)
	out = append(append(append(out, `","data":`...), data...), `,"sequence":`...)
	return append(strconv.AppendInt(out, int64(sequence), 10), '}')
}
