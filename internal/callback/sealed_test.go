package callback

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"mmsdispatch/internal/encryption"
)

func keysOf(tb testing.TB, id string) *encryption.Keys {
	tb.Helper()
	keys, err := encryption.New([]encryption.Key{{ID: id, Secret: bytes.Repeat([]byte{7}, encryption.KeyBytes)}}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

// With keys neither the bodies of events nor the URLs of messages can be read in
// Redis, and subscribers and endpoints get them as ever.
func TestEventsAreKeptEncrypted(t *testing.T) {
	t.Parallel()
	b := setupWith(t, keysOf(t, "a"))
	to := receive(t, status(http.StatusOK))
	sub := subscribe(t, b.streams(t), "")
	id := b.accept(t, to.URL+"/secret-path")
	b.deliver(t, id)
	b.consume(t)
	if e := next(t, sub); e.Type != "message.queued" || !strings.Contains(string(e.Data), string(id)) {
		t.Errorf("a subscriber got %s %s", e.Type, e.Data)
	}
	b.sender(t)
	if g := to.next(t); !strings.Contains(string(g.event.Data), string(id)) {
		t.Errorf("the endpoint got %s", g.body)
	}
	delivered := b.ends(t, 4)
	for _, d := range delivered {
		if d.URL != to.URL+"/secret-path" {
			t.Errorf("a delivery is listed with %q", d.URL)
		}
		fields := b.rdb.HGetAll(t.Context(), deliveryKey(d.ID)).Val()
		if fields["status"] == "" || strings.Contains(strings.Join(slices.Collect(maps.Values(fields)), " "), "secret-path") {
			t.Errorf("a URL is kept in plain text, or nothing is: %d fields", len(fields))
		}
	}
	entries := b.rdb.XRange(t.Context(), streamKey(shop.String()), "-", "+").Val()
	for _, m := range entries {
		if data, _ := m.Values["data"].(string); !strings.HasPrefix(data, sealedMark) || strings.Contains(data, string(id)) {
			t.Error("a body is kept in plain text")
		}
	}
	if len(entries) == 0 {
		t.Error("the stream is empty")
	}
}

// A value is bound to its place, and one that was kept before the keys is read.
func TestSealedValuesAreBoundToTheirPlace(t *testing.T) {
	t.Parallel()
	s := sealer{keys: keysOf(t, "a")}
	sealed := s.seal("https://shop.example", "here")
	if plain, err := s.open(sealed, "here"); err != nil || plain != "https://shop.example" {
		t.Errorf("got %q, %v", plain, err)
	}
	if _, err := s.open(sealed, "there"); err == nil {
		t.Error("a value was read at another place")
	}
	if _, err := (sealer{keys: keysOf(t, "b")}).open(sealed, "here"); err == nil {
		t.Error("a value was read with another key")
	}
	for _, off := range []sealer{s, {}} {
		if plain, err := off.open("https://shop.example", "here"); err != nil || plain != "https://shop.example" {
			t.Errorf("a plain value: %q, %v", plain, err)
		}
	}
	if kept := (sealer{}).seal("https://shop.example", "here"); kept != "https://shop.example" {
		t.Errorf("without keys %q is kept", kept)
	}
}
