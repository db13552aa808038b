package mediastore

import (
	"container/list"
	"context"
	"errors"
	"sync"
)

// ErrBusy says that a Cache has no room while its media are in use.
var ErrBusy = errors.New("too many media in use at once")

// Cache holds the bytes of media that are in use, and of those that were last. It
// bounds the memory of both together.
type Cache struct {
	store    *Store
	maxBytes int64

	mu      sync.Mutex
	bytes   int64
	entries map[string]*entry
	idle    *list.List // of *entry that are not in use, the longest idle first
}

type entry struct {
	id     string
	bytes  int64
	users  int
	idle   *list.Element // nil while it is in use
	loaded chan struct{} // closed once data or err is there
	data   []byte
	err    error
}

// NewCache makes a Cache of at most maxBytes.
func NewCache(store *Store, maxBytes int64) *Cache {
	return &Cache{store: store, maxBytes: maxBytes, entries: make(map[string]*entry), idle: list.New()}
}

// Read returns the bytes of a media, which must not be changed. They count as in
// use until release is called. The error is ErrBusy or that of Store.Read.
func (c *Cache) Read(ctx context.Context, m Media) (data []byte, release func(), err error) {
	e, first := c.use(m)
	switch {
	case e == nil:
		return nil, nil, ErrBusy
	case first:
		e.data, e.err = c.store.Read(context.WithoutCancel(ctx), m)
		close(e.loaded)
	}
	select {
	case <-e.loaded:
		err = e.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		c.release(e)
		return nil, nil, err
	}
	return e.data, sync.OnceFunc(func() { c.release(e) }), nil
}

// use finds the entry of a media or makes it; nil: there is no room. first reports
// that the caller has to load it.
func (c *Cache) use(m Media) (e *entry, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[m.ID]; e != nil {
		e.users++
		if e.idle != nil {
			c.idle.Remove(e.idle)
			e.idle = nil
		}
		return e, false
	}
	for c.bytes+m.Bytes > c.maxBytes {
		if c.idle.Len() == 0 {
			return nil, false
		}
		c.drop(c.idle.Remove(c.idle.Front()).(*entry)) //nolint:forcetypeassert // the list holds nothing else
	}
	e = &entry{id: m.ID, bytes: m.Bytes, users: 1, loaded: make(chan struct{})}
	c.entries[m.ID] = e
	c.bytes += e.bytes
	return e, true
}

func (c *Cache) release(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.users--; e.users > 0 {
		return
	}
	if e.err == nil { // its loader is a user until this is known
		e.idle = c.idle.PushBack(e)
		return
	}
	c.drop(e)
}

func (c *Cache) drop(e *entry) {
	delete(c.entries, e.id)
	c.bytes -= e.bytes
}
