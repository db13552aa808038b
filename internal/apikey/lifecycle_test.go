package apikey_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"mmsdispatch/internal/apikey"
	"mmsdispatch/internal/redistest"
)

func create(t *testing.T, store *apikey.Store, s apikey.Settings) (key string, info apikey.Info) {
	t.Helper()
	key, info, err := store.Create(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return key, info
}

// only is the one key of that id that the store lists.
func only(t *testing.T, store *apikey.Store, id string) apikey.Info {
	t.Helper()
	list, err := store.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range list {
		if info.ID == id {
			return info
		}
	}
	t.Fatalf("%s is not listed", id)
	return apikey.Info{}
}

func TestUpdateChangesOnlyWhatIsNamed(t *testing.T) {
	t.Parallel()
	store := apikey.NewStore(redistest.Shared(t).Client(t))
	ends := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	before := apikey.Settings{Tenant: "shop", Test: true, Name: "till", Scopes: apikey.ScopeSend, Rate: 2.5, ExpiresAt: ends}
	key, info := create(t, store, before)
	if _, err := store.Update(t.Context(), info.ID, func(s *apikey.Settings) { s.Rate, s.Tenant = 7, "other" }); err != nil {
		t.Fatal(err)
	}
	want := before
	want.Rate = 7
	if got := only(t, store, info.ID); got.Settings != want || got.CreatedAt != info.CreatedAt {
		t.Errorf("%+v, want %+v", got, want)
	}
	p, err := newVerifier(t, store).Verify(t.Context(), key)
	if err != nil || p.Rate != 7 || p.Scopes != apikey.ScopeSend || p.ExpiresAt != ends || p.Tenant != "shop" {
		t.Errorf("%+v, %v", p, err)
	}
	for name, change := range map[string]func(*apikey.Settings){
		"no scope":        func(s *apikey.Settings) { s.Scopes = 0 },
		"a negative rate": func(s *apikey.Settings) { s.Rate = -1 },
		"a name of lines": func(s *apikey.Settings) { s.Name = "a\nb" },
	} {
		if _, err := store.Update(t.Context(), info.ID, change); !errors.Is(err, apikey.ErrSettings) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := store.Update(t.Context(), "key_000000000000", func(*apikey.Settings) {}); !errors.Is(err, apikey.ErrUnknown) {
		t.Errorf("an id that no key has: %v", err)
	}
}

func TestAnExpiredKeyEnds(t *testing.T) {
	t.Parallel()
	store := apikey.NewStore(redistest.Shared(t).Client(t))
	s := settings("shop", false)
	s.ExpiresAt = time.Now().Add(100 * time.Millisecond)
	key, _ := create(t, store, s)
	v := newVerifier(t, store)
	deadline := time.Now().Add(apikey.ChangedAfter)
	for _, err := v.Verify(t.Context(), key); err == nil; _, err = v.Verify(t.Context(), key) {
		if time.Now().After(deadline) {
			t.Fatal("the key outlived its end by a cached verdict")
		}
	}
	if time.Now().Before(s.ExpiresAt) {
		t.Error("the key ended too early")
	}
	if found, err := store.Any(t.Context()); err != nil || found {
		t.Errorf("an expired key is taken for one that works: %v, %v", found, err)
	}
}

// TestRotationOverlaps: both keys work until the overlap is over, and it makes no key
// live longer.
func TestRotationOverlaps(t *testing.T) {
	t.Parallel()
	store := apikey.NewStore(redistest.Shared(t).Client(t))
	s := settings("shop", false)
	s.Name, s.Rate = "till", 3
	old, info := create(t, store, s)
	next, made, err := store.Rotate(t.Context(), info.ID, time.Hour)
	if err != nil || made.ID == info.ID || made.Settings != s {
		t.Fatalf("%+v, %v", made, err)
	}
	for _, key := range []string{old, next} {
		if p, err := newVerifier(t, store).Verify(t.Context(), key); err != nil || p.Tenant != "shop" || p.Rate != 3 {
			t.Errorf("%+v, %v", p, err)
		}
	}
	if ends := only(t, store, info.ID).ExpiresAt; ends.Before(time.Now().Add(59*time.Minute)) || ends.After(time.Now().Add(time.Hour)) {
		t.Errorf("the old key ends at %s", ends)
	}
	if ends := only(t, store, made.ID).ExpiresAt; !ends.IsZero() {
		t.Errorf("the new key ends at %s", ends)
	}
	soon, _, err := store.Rotate(t.Context(), made.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newVerifier(t, store).Verify(t.Context(), next); !errors.Is(err, apikey.ErrUnknown) {
		t.Errorf("without an overlap the old key still works: %v", err)
	}
	if _, err := newVerifier(t, store).Verify(t.Context(), soon); err != nil {
		t.Error(err)
	}
}

func TestARevokedKeyStaysOnTheList(t *testing.T) {
	t.Parallel()
	store := apikey.NewStore(redistest.Shared(t).Client(t))
	_, info := create(t, store, settings("shop", false))
	if err := store.Revoke(t.Context(), info.ID); err != nil {
		t.Fatal(err)
	}
	if got := only(t, store, info.ID); got.RevokedAt.IsZero() {
		t.Errorf("%+v", got)
	}
	if _, err := store.Update(t.Context(), info.ID, func(s *apikey.Settings) { s.Rate = 1 }); !errors.Is(err, apikey.ErrUnknown) {
		t.Errorf("a revoked key is changed: %v", err)
	}
}

func TestTheLastUseIsKnownToTheMinute(t *testing.T) {
	t.Parallel()
	store := apikey.NewStore(redistest.Shared(t).Client(t))
	key, info := create(t, store, settings("shop", false))
	if used := only(t, store, info.ID).LastUsedAt; !used.IsZero() {
		t.Errorf("a key that was not used was used at %s", used)
	}
	begun := time.Now().Truncate(time.Minute)
	if _, err := newVerifier(t, store).Verify(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if used := only(t, store, info.ID).LastUsedAt; used.Before(begun) || used.Second() != 0 || used.After(time.Now()) {
		t.Errorf("used at %s, want %s", used, begun)
	}
}

// TestAChangeIsInForceAtOnce, also while a verdict is cached.
func TestAChangeIsInForceAtOnce(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	store := apikey.NewStore(rdb)
	key, info := create(t, store, settings("shop", false))
	v := newVerifier(t, store)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		v.Follow(ctx, rdb)
	}()
	defer func() { cancel(); <-ended }()
	for rdb.PubSubNumSub(t.Context(), "mms:{m}:keys:changed").Val()["mms:{m}:keys:changed"] == 0 {
		if t.Context().Err() != nil {
			t.Fatal("not subscribed")
		}
	}
	for range 3 {
		if _, err := v.Verify(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	begun := time.Now()
	if err := store.Revoke(t.Context(), info.ID); err != nil {
		t.Fatal(err)
	}
	for _, err := v.Verify(t.Context(), key); err == nil; _, err = v.Verify(t.Context(), key) {
		if time.Since(begun) >= apikey.ChangedAfter {
			t.Fatal("the change was not noticed")
		}
	}
}

// TestRotatedKeySharesTheQuota: a day's count carries over, however often a key is
// rotated.
func TestRotatedKeySharesTheQuota(t *testing.T) {
	t.Parallel()
	s := apikey.NewStore(redistest.Shared(t).Client(t))
	first, info, err := s.Create(t.Context(), apikey.Settings{Tenant: "acme", Scopes: apikey.AllScopes, Daily: 7})
	if err != nil {
		t.Fatal(err)
	}
	second, next, err := s.Rotate(t.Context(), info.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	third, _, err := s.Rotate(t.Context(), next.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	v, err := apikey.NewVerifier(nil, s)
	if err != nil {
		t.Fatal(err)
	}
	var quota string
	for _, key := range []string{first, second, third} {
		p, err := v.Verify(t.Context(), key)
		if err != nil || p.Daily != 7 || p.Quota == "" || quota != "" && p.Quota != quota {
			t.Errorf("%+v, %v", p, err)
		}
		quota = p.Quota
	}
}
