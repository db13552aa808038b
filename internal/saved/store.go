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

// The events counted by Metrics.
const (
	EventSaved    = "saved"     // text and media were saved at Sinch
	EventReady    = "ready"     // Sinch reported that they are ready
	EventUsed     = "used"      // a message was accepted that names them
	EventSpoilt   = "spoilt"    // Sinch could not encode them
	EventGone     = "gone"      // Sinch does not know them any more
	EventNotReady = "not_ready" // Sinch was not ready for them yet
	EventPlain    = "plain"     // they are done without for a while
)

// Metrics counts events of templates.
type Metrics interface {
	// Saved counts an event.
	Saved(event string)
}

// Store keeps the records of templates in Redis. A record that was read is cached
// for a moment, so that most messages need no query.
type Store struct {
	rdb     redis.UniversalClient
	metrics Metrics
	swap    *redis.Script
	cache   *cache
	keys    *encryption.Keys
	nowFunc func() time.Time
}

// NewStore returns a Store on a Redis client. keys derive the names of templates;
// nil: hashes do.
func NewStore(rdb redis.UniversalClient, metrics Metrics, keys *encryption.Keys) *Store {
	return &Store{rdb: rdb, metrics: metrics, keys: keys, swap: redis.NewScript(swapSource), cache: newCache(), nowFunc: time.Now}
}

// NewKey returns the key of a template that consists of these parts, in order.
func (s *Store) NewKey(parts ...string) Key {
	return Key(s.keys.Name("saved", string(NewKey(parts...))))
}

func unavailable(doing string, err error) error {
	return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
}

// Lookup returns the state of a template.
func (s *Store) Lookup(ctx context.Context, key Key) (Template, error) {
	now := s.nowFunc()
	if t, ok := s.cache.get(key, now); ok {
		return t.at(now), nil
	}
	t, _, err := s.read(ctx, key)
	if err != nil {
		return Template{}, err
	}
	s.cache.put(key, t, now)
	return t.at(now), nil
}

// read returns a template with its record. An unreadable record, of a newer
// release, counts as absent.
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

// change reads a template, lets decide change it, and writes it; it repeats that
// when another process has changed the record meanwhile. decide returns false
// when there is nothing to change; keep of zero is the state's own.
func (s *Store) change(ctx context.Context, key Key, keep time.Duration, decide func(t *Template) bool) (changed bool, err error) {
	defer s.cache.evict(key)
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

// Claim is the exclusive right to save a template. It ends with Saved, Avoid or
// Release.
type Claim struct {
	Key   Key
	saver string
	lost  int // as it was when the claim was made
}

// Claim requests the right to save an absent template. It expires after lease,
// since its holder may be killed.
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

// finish ends the saving of a claim, also of one that has expired without another
// saver having begun.
func (s *Store) finish(ctx context.Context, c Claim, after func(t Template) Template) (bool, error) {
	return s.change(ctx, c.Key, 0, func(t *Template) bool {
		ranOut := t.State == Absent && t.Lost == c.lost // and not spoilt before the response came
		if !ranOut && (t.State != Saving || t.Saver != c.saver) {
			return false
		}
		*t = after(*t)
		return true
	})
}

// Saved records that the template is saved under id. It is ready when Sinch
// reports that, or after grace.
func (s *Store) Saved(ctx context.Context, c Claim, id string, grace time.Duration) error {
	s.metrics.Saved(EventSaved)
	now := s.nowFunc()
	finished, err := s.finish(ctx, c, func(t Template) Template {
		return Template{State: Waiting, ID: id, Lost: t.Lost, Since: now, Due: now.Add(grace)}
	})
	if err != nil || !finished { // Sinch's report or another saver came first
		return err
	}
	if err := s.rdb.Set(ctx, idKey(id), string(c.Key), kept).Err(); err != nil {
		return unavailable("name template", err)
	}
	return nil
}

// idKey maps Sinch's id to the template: not every report has our reference.
func idKey(id string) string { return prefix + "id:" + id }

// Avoid makes messages carry their own media for a while.
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

// Release ends a claim without a saved template.
func (s *Store) Release(ctx context.Context, c Claim) error {
	_, err := s.finish(ctx, c, func(t Template) Template { return Template{ID: t.ID, Lost: t.Lost} })
	return err
}

// Report applies Sinch's report about a template, found by our reference or else
// by Sinch's id. known is false for a template that is not being saved.
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
		// While the template is being saved, the report may come before the response
		// with the id; but not a second one about an earlier, spoilt id.
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

// count counts an event, and EventPlain if it was the last one tolerated.
func (s *Store) count(event string, after Template) {
	s.metrics.Saved(event)
	if after.State == Plain {
		s.metrics.Saved(EventPlain)
	}
}

// Used counts a message that was accepted with a template.
func (s *Store) Used() { s.metrics.Saved(EventUsed) }

// Gone records that Sinch no longer has an id.
func (s *Store) Gone(ctx context.Context, key Key, id string) error {
	return s.correct(ctx, key, EventGone, func(t Template, now time.Time) (Template, bool) {
		return t.lost(id, now), t.holds(id)
	})
}

// NotReady records that Sinch is not ready for an id: it counts as ready again
// after grace.
func (s *Store) NotReady(ctx context.Context, key Key, id string, grace time.Duration) error {
	return s.correct(ctx, key, EventNotReady, func(t Template, now time.Time) (Template, bool) {
		return t.delayed(now, grace), t.ID == id && t.at(now).State == Ready
	})
}

// correct changes a template after a request with it failed. The first of
// concurrent failures changes it for all.
func (s *Store) correct(ctx context.Context, key Key, event string, apply func(t Template, now time.Time) (Template, bool)) error {
	var after Template
	changed, err := s.change(ctx, key, 0, func(t *Template) (applies bool) {
		after, applies = apply(*t, s.nowFunc())
		*t = after
		return applies
	})
	if changed {
		s.count(event, after)
	}
	return err
}
