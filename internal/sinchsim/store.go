package sinchsim

import (
	"slices"
	"sync"
)

// stored is what a store keeps.
type stored interface {
	comparable

	identity() string
	key() string // a second way to it, shared by several; may be empty
}

// store keeps the latest of something, by its id and by its key.
type store[T stored] struct {
	limit int

	mu    sync.RWMutex
	order ring[T]
	byID  map[string]T
	byKey map[string][]T
}

func newStore[T stored](limit int) *store[T] {
	s := &store[T]{limit: limit}
	s.forget()
	return s
}

func (s *store[T]) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order = ring[T]{limit: s.limit}
	s.byID, s.byKey = map[string]T{}, map[string][]T{}
}

func (s *store[T]) add(v T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, dropped := s.order.push(v); dropped {
		delete(s.byID, old.identity())
		s.unlink(old)
	}
	s.byID[v.identity()] = v
	if key := v.key(); key != "" {
		s.byKey[key] = append(s.byKey[key], v)
	}
}

func (s *store[T]) unlink(old T) {
	key := old.key()
	rest := slices.DeleteFunc(s.byKey[key], func(v T) bool { return v == old })
	if len(rest) == 0 {
		delete(s.byKey, key)
		return
	}
	s.byKey[key] = rest
}

func (s *store[T]) get(id string) (T, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, ok := s.byID[id]
	return v, ok
}

// find returns what matches, newest first. A key, if given, is looked up
// instead of searched for.
func (s *store[T]) find(key string, matches func(T) bool) []T {
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
