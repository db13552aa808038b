package saved

import (
	"context"
	"crypto/rand"
	_ "embed" // the script
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/redisconn"
)

// ErrUnavailable is redisconn.ErrUnavailable of the saved media.
var ErrUnavailable = fmt.Errorf("saved media: %w", redisconn.ErrUnavailable)

// prefix begins every key.
const prefix = redisconn.KeyPrefix + "saved:"

//go:embed lua/swap.lua
var swapSource string

// The events that are counted.
const (
	EventSaved    = "saved"     // text and media were saved at Sinch
	EventReady    = "ready"     // Sinch said that they are ready
	EventUsed     = "used"      // a message was accepted that names them
	EventSpoilt   = "spoilt"    // Sinch could not encode them
	EventGone     = "gone"      // Sinch does not know them any more
	EventNotReady = "not_ready" // Sinch was not ready for them yet
	EventPlain    = "plain"     // they are done without for a while
)

// Metrics counts what becomes of templates.
type Metrics interface {
	// Saved counts an event.
	Saved(event string)
}

// Store keeps what is known of templates in Redis. What was read is remembered
// for a moment, so that it costs no question for each message.
type Store struct {
	rdb     redis.UniversalClient
	metrics Metrics
	swap    *redis.Script
	memory  *memory
	keys    *encryption.Keys
	nowFunc func() time.Time
}

// NewStore makes a store on a Redis client. keys make the names of templates;
// nil: hashes do.
func NewStore(rdb redis.UniversalClient, metrics Metrics, keys *encryption.Keys) *Store {
	return &Store{rdb: rdb, metrics: metrics, keys: keys, swap: redis.NewScript(swapSource), memory: newMemory(), nowFunc: time.Now}
}

// NewKey is the name of what consists of these parts, in their order.
func (s *Store) NewKey(parts ...string) Key {
	return Key(s.keys.Name("saved", string(NewKey(parts...))))
}

func unavailable(doing string, err error) error {
	return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
}

// Look tells how far a template is.
func (s *Store) Look(ctx context.Context, key Key) (Template, error) {
	now := s.nowFunc()
	if t, ok := s.memory.get(key, now); ok {
		return t.at(now), nil
	}
	t, _, err := s.read(ctx, key)
	if err != nil {
		return Template{}, err
	}
	s.memory.put(key, t, now)
	return t.at(now), nil
}

// read returns a template with its record. A record of a newer release that
// cannot be read is none.
func (s *Store) read(ctx context.Context, key Key) (t Template, record string, err error) {
	record, err = s.rdb.Get(ctx, prefix+string(key)).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return Template{}, "", unavailable("read template", err)
	}
	if record != "" && json.Unmarshal([]byte(record), &t) != nil {
		t = Template{}
	}
	return t, record, nil
}

// change decides on a template as it is, anew whenever somebody else was
// faster. decide returns false where nothing is to be changed; keep of zero is
// the state's own.
func (s *Store) change(ctx context.Context, key Key, keep time.Duration, decide func(t *Template) bool) (changed bool, err error) {
	defer s.memory.forget(key)
	for {
		t, before, err := s.read(ctx, key)
		if err != nil {
			return false, err
		}
		if !decide(&t) {
			return false, nil
		}
		after, err := json.Marshal(t)
		if err != nil {
			return false, fmt.Errorf("encode template: %w", err)
		}
		ttl := keep
		if ttl == 0 {
			ttl = t.keep()
		}
		swapped, err := s.swap.Run(ctx, s.rdb, []string{prefix + string(key)}, before, after, ttl.Milliseconds()).Bool()
		if err != nil {
			return false, unavailable("change template", err)
		}
		if swapped {
			return true, nil
		}
	}
}

// Claim is the right to save a template, which one caller at a time has. It has
// to be given back by Saved, Avoid or Release.
type Claim struct {
	Key   Key
	saver string
	lost  int // as it was when the claim was made
}

// Claim asks for the right to save an absent template. It runs out after lease,
// since whoever has it may die.
func (s *Store) Claim(ctx context.Context, key Key, lease time.Duration) (claim Claim, won bool, err error) {
	claim = Claim{Key: key, saver: rand.Text()}
	_, err = s.change(ctx, key, lease, func(t *Template) bool {
		won, claim.lost = t.State == Absent, t.Lost
		if t.Saver == claim.saver { // the reply to the first write was lost
			won = true
			return false
		}
		t.State, t.Saver, t.Since = Saving, claim.saver, s.nowFunc()
		return won
	})
	return claim, won && err == nil, err
}

// settle ends the saving that a claim stands for, also when it had run out and
// nobody else has begun.
func (s *Store) settle(ctx context.Context, c Claim, after func(t Template) Template) (bool, error) {
	return s.change(ctx, c.Key, 0, func(t *Template) bool {
		ranOut := t.State == Absent && t.Lost == c.lost // and not spoilt before the answer came
		if !ranOut && (t.State != Saving || t.Saver != c.saver) {
			return false
		}
		*t = after(*t)
		return true
	})
}

// Saved says that the template is saved under id. It is ready when Sinch says
// so, or after grace.
func (s *Store) Saved(ctx context.Context, c Claim, id string, grace time.Duration) error {
	s.metrics.Saved(EventSaved)
	now := s.nowFunc()
	settled, err := s.settle(ctx, c, func(t Template) Template {
		return Template{State: Waiting, ID: id, Lost: t.Lost, Since: now, Due: now.Add(grace)}
	})
	if err != nil || !settled { // Sinch's report was faster, or another saver
		return err
	}
	if err := s.rdb.Set(ctx, idKey(id), string(c.Key), kept).Err(); err != nil {
		return unavailable("name template", err)
	}
	return nil
}

// idKey leads from Sinch's id to the template: not every report has our
// reference.
func idKey(id string) string { return prefix + "id:" + id }

// Avoid has messages do without the template for a while.
func (s *Store) Avoid(ctx context.Context, c Claim, during time.Duration) error {
	avoided, err := s.change(ctx, c.Key, during, func(t *Template) bool {
		if t.State != Saving || t.Saver != c.saver {
			return false
		}
		*t = Template{State: Plain, Since: s.nowFunc()}
		return true
	})
	if avoided {
		s.metrics.Saved(EventPlain)
	}
	return err
}

// Release gives a claim back without having saved anything.
func (s *Store) Release(ctx context.Context, c Claim) error {
	_, err := s.settle(ctx, c, func(t Template) Template { return Template{ID: t.ID, Lost: t.Lost} })
	return err
}

// Report takes in what Sinch says of a template: by our reference, else by its
// own id. known is false for one that nobody waits for.
func (s *Store) Report(ctx context.Context, ref, id string, ready bool) (known bool, err error) {
	key, ok := parseRef(ref)
	if !ok && id != "" {
		name, err := s.rdb.Get(ctx, idKey(id)).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return false, unavailable("find template", err)
		}
		key, ok = Key(name), err == nil
	}
	if !ok || id == "" {
		return false, nil
	}
	var lost Template
	changed, err := s.change(ctx, key, 0, func(t *Template) bool {
		// While it is being saved, the report may come before the answer that has
		// the id; but not a second one of what was spoilt before.
		known = t.holds(id) || t.State == Saving && t.ID != id
		switch {
		case !known || ready && t.State == Ready:
			return false
		case ready:
			*t = Template{State: Ready, ID: id, Lost: t.Lost, Since: t.Since}
		default:
			*t = t.lost(id, s.nowFunc())
			lost = *t
		}
		return true
	})
	switch {
	case !changed:
	case ready:
		s.metrics.Saved(EventReady)
	default:
		s.count(EventSpoilt, lost)
	}
	return known, err
}

// count counts an event, and that it was one too many.
func (s *Store) count(event string, after Template) {
	s.metrics.Saved(event)
	if after.State == Plain {
		s.metrics.Saved(EventPlain)
	}
}

// Used counts a message that was accepted with a template.
func (s *Store) Used() { s.metrics.Saved(EventUsed) }

// Gone takes in that Sinch does not know an id any more.
func (s *Store) Gone(ctx context.Context, key Key, id string) error {
	return s.heal(ctx, key, EventGone, func(t Template, now time.Time) (Template, bool) {
		return t.lost(id, now), t.holds(id)
	})
}

// NotReady takes in that Sinch is not ready for an id: it counts as ready again
// after grace.
func (s *Store) NotReady(ctx context.Context, key Key, id string, grace time.Duration) error {
	return s.heal(ctx, key, EventNotReady, func(t Template, now time.Time) (Template, bool) {
		return t.delayed(now, grace), t.ID == id && t.at(now).State == Ready
	})
}

// heal changes a template that calls have found to be amiss. The first of them
// does it for all.
func (s *Store) heal(ctx context.Context, key Key, event string, mend func(t Template, now time.Time) (Template, bool)) error {
	var after Template
	changed, err := s.change(ctx, key, 0, func(t *Template) (amiss bool) {
		after, amiss = mend(*t, s.nowFunc())
		*t = after
		return amiss
	})
	if changed {
		s.count(event, after)
	}
	return err
}
