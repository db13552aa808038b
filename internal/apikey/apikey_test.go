package apikey_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"mmsdispatch/internal/apikey"
	"mmsdispatch/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }

const (
	liveKey = "mms_live_abcdefghijklmnopqrstuvwx"
	testKey = "mms_test_ABCDEFGHIJKLMNOPQRSTUVWX01234567"
)

func newVerifier(tb testing.TB, store *apikey.Store, keys ...apikey.Bootstrapped) *apikey.Verifier {
	tb.Helper()
	v, err := apikey.NewVerifier(keys, store)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// settings are those of a key without limits.
func settings(tenant string, test bool) apikey.Settings {
	return apikey.Settings{Tenant: tenant, Test: test, Scopes: apikey.AllScopes}
}

func TestBootstrappedKeysNeedNoRedis(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	store := apikey.NewStore(srv.Client(t))
	srv.Kill()
	v := newVerifier(t, store,
		apikey.Bootstrapped{Tenant: "shop", Key: liveKey}, apikey.Bootstrapped{Tenant: "shop-2", Key: testKey})

	for key, want := range map[string]apikey.Principal{
		liveKey: {Tenant: "shop"}, testKey: {Tenant: "shop-2", Test: true},
	} {
		got, err := v.Verify(t.Context(), key)
		if err != nil || got.Tenant != want.Tenant || got.Test != want.Test {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		if got.KeyID == "" || strings.Contains(key, got.KeyID) {
			t.Errorf("key id %q", got.KeyID)
		}
	}

	_, err := v.Verify(t.Context(), liveKey+"0")
	if !errors.Is(err, apikey.ErrUnavailable) || errors.Is(err, apikey.ErrUnknown) {
		t.Errorf("a key that only Redis can know: %v", err)
	}
	if _, err := newVerifier(t, nil).Verify(t.Context(), liveKey); !errors.Is(err, apikey.ErrUnknown) {
		t.Errorf("without a store: %v", err)
	}
}

func TestWhatCannotBeAKeyIsRefusedWithoutRedis(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	v := newVerifier(t, apikey.NewStore(srv.Client(t)))
	srv.Kill()
	for _, key := range []string{
		"", "mms_live_", "mms_live_short", "mms_live_" + strings.Repeat("a", 65), "mms_prod_abcdefghijklmnopqrstuvwx",
		" " + liveKey, liveKey + "\n", "mms_live_abcdefghijklmnopqrstuvw-", "mms_live_abcdefghijklmnopqrstuvwé",
		strings.ToUpper(liveKey), strings.Repeat("x", 1<<20),
	} {
		if _, err := v.Verify(t.Context(), key); !errors.Is(err, apikey.ErrUnknown) {
			t.Errorf("%.40q: %v, want ErrUnknown", key, err)
		}
	}
}

func TestNewVerifierRefusesBadEntries(t *testing.T) {
	t.Parallel()
	for want, keys := range map[string][]apikey.Bootstrapped{
		"key 1": {{Tenant: "Shop", Key: liveKey}},
		"key 2": {{Tenant: "shop", Key: testKey}, {Tenant: "shop", Key: "mms_live_tooShort"}},
		"key 3": {{Tenant: "a", Key: liveKey}, {Tenant: "a", Key: liveKey}, {Tenant: "b", Key: liveKey}},
	} {
		_, err := apikey.NewVerifier(keys, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("err = %v, want %s named", err, want)
			continue
		}
		if strings.Contains(err.Error(), "mms_") && !errors.Is(err, apikey.ErrMalformed) || strings.Contains(err.Error(), "tooShort") {
			t.Errorf("err shows a key: %v", err)
		}
	}
}

func TestCreatedKeysWorkUntilRevoked(t *testing.T) {
	t.Parallel()
	store := apikey.NewStore(redistest.Shared(t).Client(t))
	ctx := t.Context()
	for _, test := range []bool{false, true} {
		key, info, err := store.Create(ctx, settings("shop", test))
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`^mms_(live|test)_[A-Za-z0-9]{24,64}$`).MatchString(key) {
			t.Fatalf("a key of the wrong form, %d characters", len(key))
		}
		got, err := newVerifier(t, store).Verify(ctx, key)
		want := apikey.Principal{
			Tenant: "shop", Test: test, KeyID: info.ID, Scopes: apikey.AllScopes, Quota: strings.TrimPrefix(info.ID, "key_"),
		}
		if err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		if _, err := newVerifier(t, store).Verify(ctx, key+"x"); !errors.Is(err, apikey.ErrUnknown) {
			t.Errorf("a longer key: %v", err)
		}
		if err := store.Revoke(ctx, info.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := newVerifier(t, store).Verify(ctx, key); !errors.Is(err, apikey.ErrUnknown) {
			t.Errorf("revoked: %v", err)
		}
		if err := store.Revoke(ctx, info.ID); !errors.Is(err, apikey.ErrUnknown) {
			t.Errorf("revoked twice: %v", err)
		}
	}
}

func TestListAndAny(t *testing.T) {
	t.Parallel()
	store := apikey.NewStore(redistest.Shared(t).Client(t))
	ctx := t.Context()
	if found, err := store.Any(ctx); err != nil || found {
		t.Errorf("any = %v, %v in an empty store", found, err)
	}
	want := map[string]string{}
	for i := range 3 {
		tenant := fmt.Sprintf("tenant-%d", i)
		_, info, err := store.Create(ctx, settings(tenant, i == 1))
		if err != nil {
			t.Fatal(err)
		}
		want[info.ID] = tenant
	}
	if found, err := store.Any(ctx); err != nil || !found {
		t.Errorf("any = %v, %v", found, err)
	}
	list, err := store.List(ctx)
	if err != nil || len(list) != len(want) {
		t.Fatalf("list = %v, %v", list, err)
	}
	for i, info := range list {
		if want[info.ID] != info.Tenant || info.CreatedAt.IsZero() || info.Test != (info.Tenant == "tenant-1") {
			t.Errorf("listed %+v", info)
		}
		if i > 0 && info.CreatedAt.Before(list[i-1].CreatedAt) {
			t.Errorf("%s is listed after a younger one", info.ID)
		}
	}
}

func TestRedisNeverSeesAKey(t *testing.T) {
	t.Parallel()
	db := redistest.Shared(t)
	store := apikey.NewStore(db.Client(t))
	key, _, err := store.Create(t.Context(), settings("shop", false))
	if err != nil {
		t.Fatal(err)
	}
	values, err := db.Client(t).HGetAll(t.Context(), apikey.DefaultKey).Result()
	if err != nil || len(values) != 1 {
		t.Fatalf("stored %d values, %v", len(values), err)
	}
	secret := strings.TrimPrefix(key, apikey.LivePrefix)
	for id, value := range values {
		if strings.Contains(id+value, secret) {
			t.Error("the key is stored as it is")
		}
	}
}

func TestTenantsAreChecked(t *testing.T) {
	t.Parallel()
	store := apikey.NewStore(redistest.Shared(t).Client(t))
	for _, tenant := range []string{"", "Shop", "a:b", strings.Repeat("a", 41), "shop\n"} {
		if _, _, err := store.Create(t.Context(), settings(tenant, false)); !errors.Is(err, apikey.ErrTenant) {
			t.Errorf("%q: %v", tenant, err)
		}
	}
}

func TestStoreSaysThatRedisIsDown(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	store := apikey.NewStore(srv.Client(t))
	srv.Kill()
	for name, call := range map[string]func(context.Context) error{
		"create": func(ctx context.Context) error { _, _, err := store.Create(ctx, settings("shop", false)); return err },
		"list":   func(ctx context.Context) error { _, err := store.List(ctx); return err },
		"revoke": func(ctx context.Context) error { return store.Revoke(ctx, "id") },
		"any":    func(ctx context.Context) error { _, err := store.Any(ctx); return err },
	} {
		if err := call(t.Context()); !errors.Is(err, apikey.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDamagedRecordIsNotAnUnknownKey(t *testing.T) {
	t.Parallel()
	client := redistest.Shared(t).Client(t)
	store := apikey.NewStore(client)
	key, info, err := store.Create(t.Context(), settings("shop", false))
	if err != nil {
		t.Fatal(err)
	}
	for _, damage := range []string{"", "{", `{"tenant":"shop"}`, `{"sha256":"zz"}`} {
		if err := client.HSet(t.Context(), apikey.DefaultKey, strings.TrimPrefix(info.ID, "key_"), damage).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := newVerifier(t, store).Verify(t.Context(), key); !errors.Is(err, apikey.ErrUnavailable) {
			t.Errorf("%q: %v", damage, err)
		}
	}
	// The id of one key with the digest of another.
	other := strings.Repeat("0", 64)
	if err := client.HSet(t.Context(), apikey.DefaultKey, strings.TrimPrefix(info.ID, "key_"), `{"sha256":"`+other+`","tenant":"shop"}`).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := newVerifier(t, store).Verify(t.Context(), key); !errors.Is(err, apikey.ErrUnknown) {
		t.Errorf("another key's record: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	v, err := apikey.NewVerifier([]apikey.Bootstrapped{{Tenant: "shop", Key: liveKey}}, nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{liveKey, testKey, "", "mms_live_", "mms_live_\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		p, err := v.Verify(t.Context(), key)
		if (err == nil) != (key == liveKey) {
			t.Errorf("%q: %+v, %v", key, p, err)
		}
	})
}
