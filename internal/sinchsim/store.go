package sinchsim

import (
	"slices"
	"sync"
)

// Stored is an entry of a Store.
type Stored interface {
	comparable

	Identity() string
	Key() string // secondary key, shared by several entries; may be empty
}

// Store keeps the latest entries, by id and by key.
type Store[T Stored] struct {
	limit int

	mu    sync.RWMutex
	order Ring[T]
	byID  map[string]T
	byKey map[string][]T
}

// NewStore makes a store of the latest limit entries.
func NewStore[T Stored](limit int) *Store[T] {
	s := &Store[T]{limit: limit}
	s.Clear()
	return s
}

// Clear drops all entries.
func (s *Store[T]) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order = Ring[T]{Limit: s.limit}
	s.byID, s.byKey = map[string]T{}, map[string][]T{}
}

// Add stores v and evicts the oldest entry when the store is full.
func (s *Store[T]) Add(v T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, dropped := s.order.Push(v); dropped {
		delete(s.byID, old.Identity())
		s.unlink(old)
	}
	s.byID[v.Identity()] = v
	if key := v.Key(); key != "" {
		s.byKey[key] = append(s.byKey[key], v)
	}
}

func (s *Store[T]) unlink(old T) {
	key := old.Key()
	rest := slices.DeleteFunc(s.byKey[key], func(v T) bool { return v == old })
	if len(rest) == 0 {
		delete(s.byKey, key)
		return
	}
	s.byKey[key] = rest
}

// Get returns the entry with an id.
func (s *Store[T]) Get(id string) (T, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, ok := s.byID[id]
	return v, ok
}

// Find returns the matching entries, newest first. A key, if given, uses the index.
func (s *Store[T]) Find(key string, matches func(T) bool) []T {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []T
	add := func(v T) {
		if matches(v) {
			found = append(found, v)
		}
	}
	if key != "" {
		for _, v := range s.byKey[key] {
			add(v)
		}
	} else {
		for v := range s.order.all {
			add(v)
		}
	}
	slices.Reverse(found)
	return found
}
