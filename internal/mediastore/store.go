// Package mediastore keeps media that callers upload and media that were made to
// fit. The index is in Redis; the bytes are in Redis, in a folder or in a bucket of
// an S3-compatible store.
//
// A media has two links. Its own is shown to the caller and ends when the caller
// deletes the media. The other one is handed to Sinch and lives as long as the
// media is kept, so that messages that wait are not affected by a deletion.
package mediastore

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redisconn"
)

//go:embed lua/*.lua
var scripts embed.FS

// The keys.
const (
	prefix        = redisconn.KeyPrefix + "mediastore:"
	recordPrefix  = prefix + "media:"
	contentPrefix = prefix + "content:"
	usageKey      = prefix + "usage"
	sizesKey      = prefix + "sizes"
	totalKey      = prefix + "total"
)

const (
	// reservedFor is how long a blob may exist without a record: longer than any
	// upload to a store takes.
	reservedFor = 10 * time.Minute
	// dueAtOnce is how many blobs are deleted in one round.
	dueAtOnce = 100
)

var (
	// ErrNotFound says that there is no such media, or no longer.
	ErrNotFound = errors.New("no such media")
	// ErrFull says that the store has no room.
	ErrFull = errors.New("media store is full")
	// ErrUnavailable is redisconn.ErrUnavailable of the store.
	ErrUnavailable = fmt.Errorf("media store: %w", redisconn.ErrUnavailable)
	// ErrBlobs says that folder or bucket did not take, give or delete bytes.
	ErrBlobs = errors.New("media store: blobs unavailable")
)

// Blobs keeps bytes by name. A name is written once and never again.
type Blobs interface {
	Put(ctx context.Context, name string, data []byte) error
	// Get returns ErrNotFound for a name that is not there.
	Get(ctx context.Context, name string) ([]byte, error)
	// Delete succeeds for a name that is not there.
	Delete(ctx context.Context, name string) error
}

// Options are what a Store is made of.
type Options struct {
	Redis redis.UniversalClient
	Blobs Blobs
	// MaxBytes bounds all blobs together; 0: no bound.
	MaxBytes int64
	// TTL is how long a media is kept after its last use.
	TTL time.Duration
	// PublicURL is the base URL of the links, without a slash at its end.
	PublicURL string
}

// Store keeps media.
type Store struct {
	opts Options

	reserve, commit, keep, withdraw, drop, due *redis.Script
}

// New makes a Store.
func New(o Options) (*Store, error) {
	s := &Store{opts: o}
	for name, script := range map[string]**redis.Script{
		"reserve": &s.reserve, "commit": &s.commit, "keep": &s.keep, "withdraw": &s.withdraw, "drop": &s.drop, "due": &s.due,
	} {
		source, err := scripts.ReadFile("lua/" + name + ".lua")
		if err != nil {
			return nil, fmt.Errorf("media store: %w", err)
		}
		*script = redis.NewScript(string(source))
	}
	return s, nil
}

// Content is what becomes a media.
type Content struct {
	Scope string
	// Key identifies the content within the scope: of two with the same key the
	// first is kept.
	Key           string
	Type          string // content type
	Data          []byte
	Width, Height int // 0: not a picture
}

// ContentKey is a Key made of parts, in their order.
func ContentKey(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

func contentKey(scope, key string) string { return ContentKey(scope, key) }

// Put stores content, or finds the media that has it. existed reports the latter.
// Both are kept for the TTL from now. The error is ErrFull or wraps ErrUnavailable,
// or comes from the Blobs.
func (s *Store) Put(ctx context.Context, c Content) (m Media, existed bool, err error) {
	if m, err = s.Find(ctx, c.Scope, c.Key); !errors.Is(err, ErrNotFound) {
		return m, err == nil, err
	}
	id := newID()
	if err := s.write(ctx, id, c.Data); err != nil {
		return Media{}, false, err
	}
	sum, content := sha256.Sum256(c.Data), contentKey(c.Scope, c.Key)
	fields := append([]any{id, s.opts.TTL.Milliseconds(), recordPrefix}, Media{
		scope: c.Scope, content: content, SHA256: hex.EncodeToString(sum[:]), Type: c.Type,
		Bytes: int64(len(c.Data)), Width: c.Width, Height: c.Height, link: newSecret(), send: newSecret(),
	}.fields()...)
	kept, err := s.commit.Run(ctx, s.opts.Redis, []string{recordPrefix + id, contentPrefix + content, usageKey}, fields...).Text()
	if err != nil {
		return Media{}, false, unavailable("commit", err)
	}
	m, err = s.Keep(ctx, c.Scope, kept, time.Time{})
	return m, kept != id, err
}

// write reserves room and writes a blob.
func (s *Store) write(ctx context.Context, id string, data []byte) error {
	reserve := func() (bool, error) {
		ok, err := s.reserve.Run(ctx, s.opts.Redis, []string{usageKey, sizesKey, totalKey},
			id, len(data), reservedFor.Milliseconds(), s.opts.MaxBytes).Bool()
		if err != nil {
			return false, unavailable("reserve", err)
		}
		return ok, nil
	}
	ok, err := reserve()
	if err == nil && !ok { // what has expired may make room
		if _, err = s.Sweep(ctx); err == nil {
			ok, err = reserve()
		}
	}
	switch {
	case err != nil:
		return err
	case !ok:
		return ErrFull
	}
	if err := s.opts.Blobs.Put(ctx, id, data); err != nil {
		return fmt.Errorf("write media: %w", err)
	}
	return nil
}

// Find returns the media that has a content, and keeps it for the TTL from now.
func (s *Store) Find(ctx context.Context, scope, key string) (Media, error) {
	id, err := s.opts.Redis.Get(ctx, contentPrefix+contentKey(scope, key)).Result()
	if errors.Is(err, redis.Nil) {
		return Media{}, ErrNotFound
	}
	if err != nil {
		return Media{}, unavailable("find", err)
	}
	return s.Keep(ctx, scope, id, time.Time{})
}

// Keep returns a media, also a deleted one, and keeps it for the TTL after the
// next use; zero: now.
func (s *Store) Keep(ctx context.Context, scope, id string, next time.Time) (Media, error) {
	var at int64
	if !next.IsZero() {
		at = next.UnixMilli()
	}
	flat, err := s.keep.Run(ctx, s.opts.Redis, []string{recordPrefix + id, usageKey},
		id, at, s.opts.TTL.Milliseconds(), scope, contentPrefix).StringSlice()
	if err != nil {
		return Media{}, unavailable("keep", err)
	}
	if len(flat) == 0 {
		return Media{}, ErrNotFound
	}
	fields := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		fields[flat[i]] = flat[i+1]
	}
	return readMedia(id, fields), nil
}

// Get returns a media that was not deleted.
func (s *Store) Get(ctx context.Context, scope, id string) (Media, error) {
	m, err := s.read(ctx, id)
	if err == nil && (m.scope != scope || m.Deleted()) {
		return Media{}, ErrNotFound
	}
	return m, err
}

func (s *Store) read(ctx context.Context, id string) (Media, error) {
	fields, err := s.opts.Redis.HGetAll(ctx, recordPrefix+id).Result()
	if err != nil {
		return Media{}, unavailable("read", err)
	}
	if len(fields) == 0 {
		return Media{}, ErrNotFound
	}
	return readMedia(id, fields), nil
}

// Delete ends the link of a media. Its bytes are kept for messages that wait,
// until its time is over.
func (s *Store) Delete(ctx context.Context, scope, id string) error {
	found, err := s.withdraw.Run(ctx, s.opts.Redis, []string{recordPrefix + id}, id, scope, contentPrefix).Bool()
	if err != nil {
		return unavailable("delete", err)
	}
	if !found {
		return ErrNotFound
	}
	return nil
}

// Open returns the media that the last segment of a link leads to.
func (s *Store) Open(ctx context.Context, name string) (Media, error) {
	text := strings.TrimSuffix(name, path.Ext(name))
	id, secret, ok := parseToken(text)
	if !ok {
		return Media{}, ErrNotFound
	}
	m, err := s.read(ctx, id)
	if err != nil {
		return Media{}, err
	}
	own, sent := opens(m.link, secret), opens(m.send, secret)
	if (!own && !sent) || text+m.extension() != name {
		return Media{}, ErrNotFound
	}
	return m, nil
}

// Read returns the bytes of a media.
func (s *Store) Read(ctx context.Context, m Media) ([]byte, error) {
	data, err := s.opts.Blobs.Get(ctx, m.ID)
	if err == nil && int64(len(data)) != m.Bytes {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read media: %w", err)
	}
	return data, nil
}

// Link is the URL that a caller sees; empty after a deletion.
func (s *Store) Link(m Media) string {
	if m.Deleted() {
		return ""
	}
	return s.url(m, m.link)
}

// SendLink is the URL that Sinch is handed.
func (s *Store) SendLink(m Media) string { return s.url(m, m.send) }

func (s *Store) url(m Media, secret string) string {
	return s.opts.PublicURL + LinkPath + token(m.ID, secret) + m.extension()
}

// LinkPath begins the path of every link.
const LinkPath = "/m/"

// Sweep deletes blobs whose time is over and returns how many.
func (s *Store) Sweep(ctx context.Context) (int, error) {
	for swept := 0; ; {
		blobs, err := s.due.Run(ctx, s.opts.Redis, []string{usageKey}, dueAtOnce).StringSlice()
		if err != nil {
			return swept, unavailable("sweep", err)
		}
		if len(blobs) == 0 {
			return swept, nil
		}
		gone := make([]any, len(blobs))
		for i, blob := range blobs {
			if err := s.opts.Blobs.Delete(ctx, blob); err != nil {
				return swept, fmt.Errorf("delete media: %w", err)
			}
			gone[i] = blob
		}
		if err := s.drop.Run(ctx, s.opts.Redis, []string{usageKey, sizesKey, totalKey}, gone...).Err(); err != nil {
			return swept, unavailable("sweep", err)
		}
		swept += len(blobs)
	}
}

// Usage returns how many bytes all blobs have.
func (s *Store) Usage(ctx context.Context) (int64, error) {
	total, err := s.opts.Redis.Get(ctx, totalKey).Int64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, unavailable("usage", err)
	}
	return total, nil
}

func unavailable(doing string, err error) error {
	return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
}
