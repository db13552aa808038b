package saved

import (
	"maps"
	"sync"
	"time"
)

const (
	// stableTTL and pendingTTL are the times for which a record is cached. A request
	// with a template that Sinch no longer has reports that.
	stableTTL  = 5 * time.Second
	pendingTTL = 200 * time.Millisecond
	// cacheMax bounds the cached templates.
	cacheMax = 1000
)

// cache holds the templates that this process has read a moment ago.
type cache struct {
	mu    sync.Mutex
	known map[Key]cached
}

type cached struct {
	template Template
	until    time.Time
}

func newCache() *cache { return &cache{known: make(map[Key]cached)} }

func (m *cache) get(key Key, now time.Time) (Template, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	one, ok := m.known[key]
	return one.template, ok && now.Before(one.until)
}

func (m *cache) put(key Key, t Template, now time.Time) {
	during := pendingTTL
	switch t.State {
	case Absent: // it is about to be saved
		return
	case Ready, Plain:
		during = stableTTL
	case Saving, Waiting:
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.known) >= cacheMax {
		maps.DeleteFunc(m.known, func(_ Key, one cached) bool { return !now.Before(one.until) })
	}
	if len(m.known) < cacheMax {
		m.known[key] = cached{template: t, until: now.Add(during)}
	}
}

func (m *cache) evict(key Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, key)
}
