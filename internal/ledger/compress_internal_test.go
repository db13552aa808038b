package ledger

import (
	"crypto/rand"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/s2"

	"mmsdispatch/internal/message"
)

// largeMessage is a final message with a large content, with fixed identities.
func largeMessage(tb testing.TB) *message.Message {
	tb.Helper()
	m := goldenMessage(tb)
	m.Status = message.StatusCanceled
	m.Content.Text = strings.Repeat("Your parcel is on its way. ", 150)
	m.Content.Metadata = maps.Clone(m.Content.Metadata)
	m.Content.Metadata["note"] = strings.Repeat("n", 400)
	return m
}

// A large content of a final message is compressed, and read whole.
func TestLargeContentOfAFinalMessageIsCompressed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]codec{"plain": {}, "encrypted": {newKeys(t, "k1")}} {
		m := largeMessage(t)
		plain := len(m.Content.Text)
		small := encode(goldenHead(), m, c.seal(m))
		got, err := c.decode(small)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(m, got.message); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		m.Status = message.StatusQueued
		if large := len(encode(goldenHead(), m, c.seal(m))); len(small) > large/3 || large < plain {
			t.Errorf("%s: %d bytes of a final message, %d of one that waits", name, len(small), large)
		}
	}
}

// Content without repetitions is read whole, too.
func TestContentWithoutRepetitionsIsRead(t *testing.T) {
	t.Parallel()
	m := largeMessage(t)
	m.Content.Metadata = nil
	var text strings.Builder
	for text.Len() < 4*compressedFrom {
		text.WriteString(rand.Text())
	}
	m.Content.Text = text.String()
	got, err := codec{}.decode(encode(goldenHead(), m, sealed{}))
	if err != nil || !got.message.Content.Equal(m.Content) {
		t.Errorf("%v, %v", got.message, err)
	}
}

// The recipient is found in the record without its content.
func TestCompressedRecordNamesItsRecipient(t *testing.T) {
	t.Parallel()
	m, c := largeMessage(t), codec{}
	if !containsAny(encode(goldenHead(), m, sealed{}), c.marks(m.Content.To)) {
		t.Error("a search for the number does not find the record")
	}
}

// Every later release reads compressed content as it is written today.
func TestGoldenCompressedRecord(t *testing.T) {
	t.Parallel()
	got, err := codec{}.decode(goldenRecord(t, "compressed-5.hex"))
	if err != nil {
		t.Fatal(err)
	}
	want := largeMessage(t)
	before5(want)
	if diff := cmp.Diff(want, got.message); diff != "" {
		t.Error(diff)
	}
}

// A block that is none, or that would expand without end, is no content.
func TestDecompressRefuses(t *testing.T) {
	t.Parallel()
	for name, block := range map[string][]byte{
		"nothing":   nil,
		"no block":  []byte("\xff\xff\xff\xff\xff"),
		"cut":       compress([]byte(strings.Repeat("x", compressedFrom)))[:3],
		"too large": s2.Encode(nil, make([]byte, decompressedMost+1)),
	} {
		if plain, err := decompress(block); !errors.Is(err, errRecord) {
			t.Errorf("%s: %d bytes, %v", name, len(plain), err)
		}
	}
}
