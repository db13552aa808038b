package mediastore

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redistest"
)

// bench is a store on a Redis of its own.
type bench struct {
	*Store

	t   *testing.T
	rdb *redis.Client
}

func setup(t *testing.T, change ...func(*Options)) *bench {
	t.Helper()
	b := &bench{t: t, rdb: redistest.Shared(t).Client(t)}
	o := Options{Redis: b.rdb, Blobs: NewRedisBlobs(b.rdb), TTL: time.Hour, PublicURL: "https://mms.example.com"}
	for _, c := range change {
		c(&o)
	}
	var err error
	if b.Store, err = New(o); err != nil {
		t.Fatal(err)
	}
	return b
}

func content(text string) Content {
	return Content{Scope: "shop:live", Key: text, Type: "image/jpeg", Data: []byte(text), Width: 4, Height: 3}
}

func (b *bench) put(c Content) Media {
	b.t.Helper()
	m, existed, err := b.Put(b.t.Context(), c)
	if err != nil || existed {
		b.t.Fatalf("put: existed %t, %v", existed, err)
	}
	return m
}

// expire has the time of a media be over.
func (b *bench) expire(m Media) {
	b.t.Helper()
	ctx := b.t.Context()
	err := errors.Join(
		b.rdb.Del(ctx, recordPrefix+m.ID, contentPrefix+m.content).Err(), b.rdb.ZAdd(ctx, usageKey, redis.Z{Score: 1, Member: m.ID}).Err())
	if err != nil {
		b.t.Fatal(err)
	}
}

// last is the last segment of a link.
func last(link string) string { return link[strings.LastIndexByte(link, '/')+1:] }

func (b *bench) wantUsage(want int64) {
	b.t.Helper()
	if got, err := b.Usage(b.t.Context()); err != nil || got != want {
		b.t.Errorf("usage is %d (%v), want %d", got, err, want)
	}
}

func TestBlobsKeepBytes(t *testing.T) {
	t.Parallel()
	files, err := NewFileBlobs(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = files.Close() })
	bucket := httptest.NewServer(newBucket("media", "key", "secret"))
	t.Cleanup(bucket.Close)
	at, err := url.Parse("s3://media/in/a/folder?region=us-east-1&endpoint=" + bucket.URL)
	if err != nil {
		t.Fatal(err)
	}
	s3, err := NewS3Blobs(S3Options{URL: at, AccessKeyID: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s3.Close() })
	kinds := map[string]Blobs{"redis": NewRedisBlobs(redistest.Shared(t).Client(t)), "file": files, "s3": s3}
	for kind, blobs := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int{1, pieceBytes - 1, pieceBytes, pieceBytes + 1, 3*pieceBytes + 7} {
				name, data := newID(), bytes.Repeat([]byte("0123456789abcdef!"), size/17+1)[:size]
				if _, err := blobs.Get(t.Context(), name); !errors.Is(err, ErrNotFound) {
					t.Fatalf("before it was written: %v", err)
				}
				if err := blobs.Put(t.Context(), name, data); err != nil {
					t.Fatal(err)
				}
				if got, err := blobs.Get(t.Context(), name); err != nil || !bytes.Equal(got, data) {
					t.Fatalf("%d of %d bytes, %v", len(got), size, err)
				}
				for range 2 {
					if err := blobs.Delete(t.Context(), name); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := blobs.Get(t.Context(), name); !errors.Is(err, ErrNotFound) {
					t.Fatalf("after it was deleted: %v", err)
				}
			}
		})
	}
}

func TestBucketThatRefusesIsUnavailable(t *testing.T) {
	t.Parallel()
	bucket := httptest.NewServer(newBucket("media", "key", "secret"))
	t.Cleanup(bucket.Close)
	at, err := url.Parse("s3://media?region=us-east-1&endpoint=" + bucket.URL)
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := NewS3Blobs(S3Options{URL: at, AccessKeyID: "key", SecretKey: "another"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = blobs.Close() })
	err = blobs.Put(t.Context(), newID(), []byte("x"))
	if !errors.Is(err, ErrBlobs) || !strings.Contains(err.Error(), "SignatureDoesNotMatch") {
		t.Errorf("%v", err)
	}
}

func TestSameContentIsOneMediaOfATenant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.put(content("hello"))
	again, existed, err := b.Put(t.Context(), content("hello"))
	if err != nil || !existed || again.ID != first.ID {
		t.Errorf("%+v, existed %t, %v", again, existed, err)
	}
	other := content("hello")
	other.Scope = "bank:live"
	if b.put(other).ID == first.ID {
		t.Error("tenants share a media")
	}
	if _, err := b.Get(t.Context(), "bank:live", first.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("another tenant's media: %v", err)
	}
	b.wantUsage(10)
	data, err := b.Read(t.Context(), first)
	if err != nil || string(data) != "hello" {
		t.Errorf("%q, %v", data, err)
	}
	const sum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	if first.SHA256 != sum || first.Bytes != 5 || first.Width != 4 || first.Height != 3 || first.Type != "image/jpeg" {
		t.Errorf("%+v", first)
	}
}

// TestSameContentAtOnce: whoever is slower gets the media of the other, and its
// own blob goes.
func TestSameContentAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const writers = 8
	var (
		all sync.WaitGroup
		mu  sync.Mutex
	)
	ids := map[string]bool{}
	for range writers {
		all.Go(func() {
			m, _, err := b.Put(t.Context(), content("hello"))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[m.ID] = true
		})
	}
	all.Wait()
	if len(ids) != 1 {
		t.Errorf("%d media", len(ids))
	}
	if _, err := b.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.wantUsage(5)
}

func TestLinks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.put(content("hello"))
	own, sent := b.Link(m), b.SendLink(m)
	for _, link := range []string{own, sent} {
		if !strings.HasPrefix(link, "https://mms.example.com/m/") || !strings.HasSuffix(link, ".jpg") {
			t.Errorf("link %q", link)
		}
		if got, err := b.Open(t.Context(), last(link)); err != nil || got.ID != m.ID {
			t.Errorf("%q: %+v, %v", link, got, err)
		}
	}
	name := last(own)
	guesses := []string{
		"", ".", ".jpg", "x.jpg", strings.TrimSuffix(name, ".jpg"), strings.TrimSuffix(name, ".jpg") + ".html", name + ".jpg", strings.ToUpper(name),
		name[:secretChars] + newSecret() + ".jpg", newSecret() + newSecret() + ".jpg", name[:secretChars] + ".jpg",
	}
	for _, guess := range guesses {
		if _, err := b.Open(t.Context(), guess); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v", guess, err)
		}
	}
}

func TestDeletedMediaAreKeptForMessages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.put(content("hello"))
	if err := b.Delete(t.Context(), "bank:live", m.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("another tenant deletes: %v", err)
	}
	if err := b.Delete(t.Context(), "shop:live", m.ID); err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(t.Context(), "shop:live", m.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	if _, err := b.Open(t.Context(), last(b.Link(m))); !errors.Is(err, ErrNotFound) {
		t.Errorf("its link: %v", err)
	}
	if _, err := b.Get(t.Context(), "shop:live", m.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("its resource: %v", err)
	}
	waiting, err := b.Keep(t.Context(), "shop:live", m.ID, time.Time{})
	if err != nil || !waiting.Deleted() {
		t.Fatalf("%+v, %v", waiting, err)
	}
	if _, err := b.Open(t.Context(), last(b.SendLink(waiting))); err != nil {
		t.Errorf("the link of messages: %v", err)
	}
	if again := b.put(content("hello")); again.ID == m.ID || b.Link(again) == b.Link(m) {
		t.Error("the same bytes bring the deleted media back")
	}
}

func TestMediaAreKeptAfterTheirNextUse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.put(content("hello"))
	next := m.ExpiresAt.Add(24 * time.Hour)
	kept, err := b.Keep(t.Context(), "shop:live", m.ID, next)
	if err != nil || !kept.ExpiresAt.Equal(next.Add(time.Hour)) {
		t.Fatalf("%v, %v", kept.ExpiresAt, err)
	}
	later, err := b.Keep(t.Context(), "shop:live", m.ID, time.Time{})
	if err != nil || !later.ExpiresAt.Equal(kept.ExpiresAt) {
		t.Errorf("an earlier use shortens its time: %v, %v", later.ExpiresAt, err)
	}
	ttl := b.rdb.PTTL(t.Context(), recordPrefix+m.ID).Val()
	if ttl < 24*time.Hour || ttl > 26*time.Hour {
		t.Errorf("its record expires in %v", ttl)
	}
	if _, err := b.Keep(t.Context(), "bank:live", m.ID, next); !errors.Is(err, ErrNotFound) {
		t.Errorf("another tenant keeps it: %v", err)
	}
}

func TestStoreIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *Options) { o.MaxBytes = 10 })
	old := b.put(content("hello"))
	b.put(content("12345"))
	if _, _, err := b.Put(t.Context(), content("x")); !errors.Is(err, ErrFull) {
		t.Fatalf("one byte too many: %v", err)
	}
	if _, existed, err := b.Put(t.Context(), content("hello")); err != nil || !existed {
		t.Errorf("what is there needs no room: %t, %v", existed, err)
	}
	b.expire(old)
	b.put(content("x")) // the expired blob makes room
	b.wantUsage(6)
	if _, err := b.Read(t.Context(), old); !errors.Is(err, ErrNotFound) {
		t.Errorf("expired bytes: %v", err)
	}
}

// TestNoBlobIsLeft: whatever a process leaves half done is deleted later.
func TestNoBlobIsLeft(t *testing.T) {
	t.Parallel()
	b := setup(t)
	kept := b.put(content("kept"))
	half := newID()
	if err := b.write(t.Context(), half, []byte("half")); err != nil { // and then the process dies
		t.Fatal(err)
	}
	if n, err := b.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("%d blobs of uploads under way deleted, %v", n, err)
	}
	if err := b.rdb.ZAdd(t.Context(), usageKey, redis.Z{Score: 1, Member: half}).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := b.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("%d blobs deleted, %v", n, err)
	}
	b.wantUsage(4)
	keys := map[string]bool{}
	for _, key := range b.rdb.Keys(t.Context(), prefix+"*").Val() {
		keys[strings.TrimPrefix(key, prefix)] = true
	}
	want := map[string]bool{
		"media:" + kept.ID: true, "content:" + kept.content: true, "blob:" + kept.ID + ":0": true, "usage": true, "sizes": true, "total": true,
	}
	if !maps.Equal(keys, want) {
		t.Errorf("keys %v, want %v", keys, want)
	}
}

// TestUploadThatTookTooLong: its blob may be gone by the time it is committed.
func TestUploadThatTookTooLong(t *testing.T) {
	t.Parallel()
	slow := &slowBlobs{}
	b := setup(t, func(o *Options) { slow.Blobs, o.Blobs = o.Blobs, slow })
	slow.after = func(name string) {
		if err := b.rdb.ZAdd(t.Context(), usageKey, redis.Z{Score: 1, Member: name}).Err(); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := b.Put(t.Context(), content("hello")); err == nil {
		t.Error("a media without bytes")
	}
	if keys := b.rdb.Keys(t.Context(), recordPrefix+"*").Val(); len(keys) > 0 {
		t.Errorf("records %v", keys)
	}
}

type slowBlobs struct {
	Blobs

	after func(name string)
}

func (s *slowBlobs) Put(ctx context.Context, name string, data []byte) error {
	err := s.Blobs.Put(ctx, name, data)
	s.after(name)
	return err
}
