package saved

import (
	"maps"
	"sync"
	"time"
)

const (
	// rememberSettled and rememberPassing are how long what was read is relied
	// on. What Sinch has lost in the meantime is found out by the call.
	rememberSettled = 5 * time.Second
	rememberPassing = 200 * time.Millisecond
	// rememberedMax bounds the memory.
	rememberedMax = 1000
)

// memory is what this process has read a moment ago.
type memory struct {
	mu    sync.Mutex
	known map[Key]memo
}

type memo struct {
	template Template
	until    time.Time
}

func newMemory() *memory { return &memory{known: make(map[Key]memo)} }

func (m *memory) get(key Key, now time.Time) (Template, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	one, ok := m.known[key]
	return one.template, ok && now.Before(one.until)
}

func (m *memory) put(key Key, t Template, now time.Time) {
	during := rememberPassing
	switch t.State {
	case Absent: // somebody is about to save it
		return
	case Ready, Plain:
		during = rememberSettled
	case Saving, Waiting:
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.known) >= rememberedMax {
		maps.DeleteFunc(m.known, func(_ Key, one memo) bool { return !now.Before(one.until) })
	}
	if len(m.known) < rememberedMax {
		m.known[key] = memo{template: t, until: now.Add(during)}
	}
}

func (m *memory) forget(key Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, key)
}
