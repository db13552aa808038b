package suppression

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/redisconn"
	"mmsdispatch/internal/redistest"
)

// keysOf makes keys whose secrets follow from their ids.
func keysOf(tb testing.TB, ids ...string) *encryption.Keys {
	tb.Helper()
	list := make([]encryption.Key, len(ids))
	for i, id := range ids {
		list[i] = encryption.Key{ID: id, Secret: []byte(strings.Repeat(id, encryption.KeyBytes)[:encryption.KeyBytes])}
	}
	keys, err := encryption.New(list, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

// with is a process that has some keys.
func with(tb testing.TB, rdb *redis.Client, ids ...string) *bundle {
	tb.Helper()
	b := on(tb, rdb, false)
	store, err := NewStore(Options{Redis: rdb, Metrics: b.metrics, Keys: keysOf(tb, ids...)})
	if err != nil {
		tb.Fatal(err)
	}
	store.nowFunc = b.nowFunc
	b.Store = store
	return b
}

// wantNoNumber looks for digits of the phone in all keys and values of a Redis.
func wantNoNumber(tb testing.TB, rdb *redis.Client) {
	tb.Helper()
	for _, key := range rdb.Keys(tb.Context(), "*").Val() {
		dump := key + " " + fmt.Sprint(rdb.HGetAll(tb.Context(), key).Val(), rdb.ZRange(tb.Context(), key, 0, -1).Val(), rdb.Get(tb.Context(), key).Val())
		if strings.Contains(dump, phone[2:]) {
			tb.Errorf("the number is in %q", dump)
		}
	}
}

// exists reports whether a message to the phone would be looked up.
func (b *bundle) exists(tb testing.TB) bool {
	tb.Helper()
	return b.rdb.Exists(tb.Context(), b.Key(phone)).Val() == 1
}

func TestEncryptedNumbers(t *testing.T) {
	t.Parallel()
	b := with(t, redistest.Start(t).Client(t), "k1")
	b.wants(t, "at first", shop, sender, false)
	b.add(t, shop, phone, EverySender)
	b.receives(t, code, Stop, time.Time{})
	b.wants(t, "opted out", shop, sender, true)
	b.wants(t, "STOP", bank, code, true)
	wantNoNumber(t, b.rdb)
	listed, err := b.List(t.Context(), shop, Position{}, 10)
	if err != nil || len(listed) != 2 || listed[0].Number != phone || listed[1].Number != phone {
		t.Errorf("listed %+v, %v", listed, err)
	}
	if rest, err := b.List(t.Context(), shop, PositionOf(listed[0]), 10); err != nil || len(rest) != 1 || rest[0] != listed[1] {
		t.Errorf("behind the first: %+v, %v", rest, err)
	}
	if err := b.Delete(t.Context(), shop, phone, EverySender); err != nil {
		t.Fatal(err)
	}
	b.wants(t, "taken off", shop, sender, false)
	b.wants(t, "lifted", shop, code, false)
	b.wants(t, "for others it counts", bank, code, true)
}

// A rotation of RECORD_KEYS loses no opt-out, however long ago the first key was
// taken out.
func TestOptOutsOutliveTheirKeys(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	with(t, rdb, "k1").add(t, shop, phone, EverySender)
	for _, ids := range [][]string{{"k2", "k1"}, {"k2"}, {"k3", "k2"}, {"k3"}} {
		b := with(t, rdb, ids...)
		b.wants(t, fmt.Sprint(ids), shop, sender, true)
		if listed, err := b.List(t.Context(), shop, Position{}, 1); err != nil || len(listed) != 1 || listed[0].Number != phone {
			t.Errorf("%v: listed %+v, %v", ids, listed, err)
		}
	}
	with(t, rdb, "k1").wants(t, "an old process", shop, sender, true)
}

// A process without the key makes no call to a recipient that it cannot look up.
func TestMissingNumberKeyBlocks(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	with(t, rdb, "k1").add(t, shop, phone, EverySender)
	if err := rdb.Set(t.Context(), redisconn.KeyPrefix+"secret", "as wherever there are messages", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*bundle{"another key": with(t, rdb, "k2"), "no key": on(t, rdb, false)} {
		_, suppressed := b.Suppressed(t.Context(), shop, phone, sender)
		_, _, put := b.Put(t.Context(), shop, phone, sender, "")
		_, list := b.List(t.Context(), shop, Position{}, 1)
		handled := b.HandleInbound(t.Context(), Inbound{Number: phone, Meaning: Stop})
		for _, err := range []error{suppressed, put, list, handled} {
			if !errors.Is(err, ErrUnavailable) {
				t.Errorf("%s: %v, want ErrUnavailable", name, err)
			}
		}
		if !b.exists(t) {
			t.Errorf("%s: a message is not looked up", name)
		}
	}
}

// A key under which nothing was recorded blocks no recipient.
func TestUnusedNumberKeyIsReplaced(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	with(t, rdb, "k1").wants(t, "makes it", shop, sender, false)
	b := with(t, rdb, "k2")
	b.wants(t, "replaces it", shop, sender, false)
	b.add(t, shop, phone, sender)
	b.wants(t, "opted out", shop, sender, true)
}

// A write under a number key that was replaced meanwhile goes under the new one.
func TestReplacedNumberKeyIsNotWrittenUnder(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	old := with(t, rdb, "k1", "k2")
	old.wants(t, "makes it", shop, sender, false)
	if err := rdb.Del(t.Context(), numbersKey).Err(); err != nil { // Redis was emptied
		t.Fatal(err)
	}
	other := with(t, rdb, "k2")
	other.wants(t, "makes another", shop, sender, false)
	old.add(t, shop, phone, sender)
	old.receives(t, code, Stop, time.Time{})
	other.wants(t, "opted out", shop, sender, true)
	other.wants(t, "STOP", shop, code, true)
}

// convertAllNow converts as Follow does, without the wait for other processes.
func convertAllNow(tb testing.TB, b *bundle) {
	tb.Helper()
	k, err := b.numbers.read(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	early := *k
	early.created = time.Time{}
	if err := b.numbers.convertAll(tb.Context(), &early); err != nil {
		tb.Fatal(err)
	}
	if k, err = b.numbers.read(tb.Context()); err != nil || !k.converted {
		tb.Fatalf("%+v, %v", k, err)
	}
}

// Opt-outs from before RECORD_KEYS was set count at every moment.
func TestPlainOptOutsAreConverted(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	plain := on(t, rdb, false)
	plain.add(t, shop, phone, EverySender)
	plain.receives(t, code, Stop, time.Time{})
	want, err := plain.List(t.Context(), shop, Position{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := rdb.Set(t.Context(), redisconn.KeyPrefix+"secret", "as wherever there are messages", 0).Err(); err != nil {
		t.Fatal(err)
	}
	fresh := func() *bundle { return with(t, rdb, "k1") }
	for when, step := range map[string]func(*bundle){
		"before":        func(*bundle) {},
		"on the way":    func(b *bundle) { b.wants(t, "looked up", shop, sender, true) },
		"afterwards":    func(b *bundle) { convertAllNow(t, b) },
		"in the middle": func(b *bundle) { _, _ = b.numbers.read(t.Context()) },
	} {
		b := fresh()
		step(b)
		if !b.exists(t) {
			t.Errorf("%s: a message is not looked up", when)
		}
		b.wants(t, when, shop, sender, true)
		b.wants(t, when, bank, code, true)
		got, err := b.List(t.Context(), shop, Position{}, 10)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", when, err, diff)
		}
	}
	convertAllNow(t, fresh())
	wantNoNumber(t, rdb)
}

// TestConvertedNumbersCostNothing: once nothing is plain, a number without a
// record is not looked up.
func TestConvertedNumbersCostNothing(t *testing.T) {
	t.Parallel()
	b := with(t, redistest.Start(t).Client(t), "k1")
	convertAllNow(t, b)
	if b.exists(t) {
		t.Error("a message is looked up")
	}
	b.add(t, shop, phone, sender)
	if !b.exists(t) {
		t.Error("the opt-out is not seen")
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := with(t, redistest.Shared(t).Client(t), "k1")
	ctx, end := context.WithCancel(t.Context())
	end()
	b.Follow(ctx)
}
