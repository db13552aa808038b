package ledger

import (
	"github.com/klauspost/compress/s2"

	"mmsdispatch/internal/message"
)

// A record that expires waits for a receipt or a replay at most: its texts are
// Huffman-coded, and the content of a final message is compressed when it is large.
// Short texts have no repetitions that S2 could leave out.
const (
	// compressedFrom is the size of a content from which it is worth the time, in
	// bytes.
	compressedFrom = 1 << 10
	// decompressedMost bounds what a record may expand to. The rules for messages
	// allow less.
	decompressedMost = 1 << 20
)

// textForm is the form of the texts in a record.
type textForm int

const (
	formPlain textForm = iota
	formHuffman
	formCompressed
)

// formOf is the form of the texts in the record of a message.
func formOf(m *message.Message) textForm {
	switch {
	case m.Status.Final() && contentBytes(&m.Content) >= compressedFrom:
		return formCompressed
	case m.Status.Expires():
		return formHuffman
	default:
		return formPlain
	}
}

// contentBytes is the length of the texts of a content.
func contentBytes(c *message.Content) int {
	n := len(c.Text) + len(c.Subject) + len(c.FallbackText) + len(c.CallbackURL) + len(c.ClientReference)
	for _, url := range c.Media {
		n += len(url)
	}
	for key, value := range c.Metadata {
		n += len(key) + len(value)
	}
	return n
}

// compress encodes bytes as an S2 block.
func compress(plain []byte) []byte { return s2.EncodeBetter(nil, plain) }

// decompress is the reverse of compress.
func decompress(block []byte) ([]byte, error) {
	if size, err := s2.DecodedLen(block); err != nil || size > decompressedMost {
		return nil, errRecord
	}
	plain, err := s2.Decode(nil, block)
	if err != nil {
		return nil, errRecord
	}
	return plain, nil
}
