package ledger

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/encryption"
)

// newKeys makes keys whose secrets follow from their ids.
func newKeys(tb testing.TB, ids ...string) *encryption.Keys {
	tb.Helper()
	list := make([]encryption.Key, len(ids))
	for i, id := range ids {
		list[i] = encryption.Key{ID: id, Secret: []byte(strings.Repeat(id, encryption.KeyBytes)[:encryption.KeyBytes])}
	}
	keys, err := encryption.New(list, func(string) {})
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

// private is what must not be seen in an encrypted record.
func private() []string {
	c := fullMessage().Content
	return []string{c.To, c.To[2:], c.Text, c.Media[0], c.Media[1], c.CallbackURL}
}

func TestSealedRecordHidesItsContent(t *testing.T) {
	t.Parallel()
	c, want := codec{newKeys(t, "k1")}, fullMessage()
	raw := encode(goldenHead(), want, c.seal(want))
	for _, value := range private() {
		if bytes.Contains(raw, []byte(value)) {
			t.Errorf("%q is in the record", value)
		}
	}
	got, err := c.decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.message); diff != "" {
		t.Error(diff)
	}
}

// The record of any key of the list is read, and that of another message is not.
func TestSealedRecordNeedsItsKeyAndItsPlace(t *testing.T) {
	t.Parallel()
	old, m, other := codec{newKeys(t, "k1")}, fullMessage(), fullMessage()
	raw := encode(goldenHead(), m, old.seal(m))
	if got, err := (codec{newKeys(t, "k2", "k1")}).decode(raw); err != nil || !got.message.Content.Equal(m.Content) {
		t.Errorf("after a rotation: %v", err)
	}
	for name, keys := range map[string]*encryption.Keys{"another key": newKeys(t, "k2"), "no key": newKeys(t), "nil": nil} {
		got, err := (codec{keys}).decode(raw)
		if !errors.Is(err, encryption.ErrKeyMissing) || !strings.Contains(err.Error(), `"k1"`) {
			t.Errorf("%s: %v", name, err)
		}
		if got.message == nil || got.message.Content.To != "" || got.message.Status != m.Status {
			t.Errorf("%s: %+v", name, got.message)
		}
	}
	if _, err := old.decode(encode(goldenHead(), other, old.seal(m))); err == nil {
		t.Error("the content of another message is read")
	}
}

// A step that leaves the content alone leaves its ciphertext alone.
func TestSealedContentIsWrittenOnce(t *testing.T) {
	t.Parallel()
	c, m := codec{newKeys(t, "k1")}, fullMessage()
	first := encode(goldenHead(), m, c.seal(m))
	read, err := c.decode(first)
	if err != nil {
		t.Fatal(err)
	}
	if again := encode(goldenHead(), read.message, read.sealed); !bytes.Equal(first, again) {
		t.Errorf("%x became %x", first, again)
	}
	if second := encode(goldenHead(), m, c.seal(m)); bytes.Equal(first, second) {
		t.Error("the nonce was used twice")
	}
}

// TestSealedGolden: every later release reads what this one has encrypted.
func TestSealedGolden(t *testing.T) {
	t.Parallel()
	got, err := (codec{newKeys(t, "golden")}).decode(goldenRecord(t, "sealed-4.hex"))
	if err != nil {
		t.Fatal(err)
	}
	want := goldenMessage(t)
	before5(want)
	if diff := cmp.Diff(want, got.message); diff != "" {
		t.Error(diff)
	}
}

// BenchmarkCodec compares a record with and without encryption. begin is what a
// step on a message costs: read it, and write it with its content as it was.
func BenchmarkCodec(b *testing.B) {
	for name, keys := range map[string]*encryption.Keys{"plain": nil, "encrypted": newKeys(b, "k1")} {
		c, m := codec{keys}, fullMessage()
		raw := encode(goldenHead(), m, c.seal(m))
		b.Run("accept/"+name, func(b *testing.B) {
			for b.Loop() {
				_ = encode(goldenHead(), m, c.seal(m))
			}
			b.ReportMetric(float64(len(raw)), "bytes/record")
		})
		b.Run("begin/"+name, func(b *testing.B) {
			for b.Loop() {
				r, err := c.decode(raw)
				if err != nil {
					b.Fatal(err)
				}
				_ = encode(goldenHead(), r.message, r.sealed)
			}
		})
	}
}
