package saved

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// Key identifies a template without revealing its content.
type Key string

// keyBytes is the length of the hash that is used: deliberate collisions are no
// threat here, and the reference is limited to Sinch's 64 characters.
const keyBytes = 16

// NewKey returns the key of a template that consists of these parts, in order.
func NewKey(parts ...string) Key {
	hash := sha256.New()
	for _, part := range parts {
		_, _ = hash.Write(binary.AppendUvarint(nil, uint64(len(part))))
		_, _ = hash.Write([]byte(part))
	}
	return Key(hex.EncodeToString(hash.Sum(nil)[:keyBytes]))
}

// refPrefix begins the references of templates; those of messages have another
// prefix.
const refPrefix = "saved-"

// Ref is the client reference sent to Sinch, which its report repeats.
func (k Key) Ref() string { return refPrefix + string(k) }

// parseRef parses a reference of a report.
func parseRef(ref string) (Key, bool) {
	name, ours := strings.CutPrefix(ref, refPrefix)
	raw, err := hex.DecodeString(name)
	return Key(name), ours && err == nil && len(raw) == keyBytes
}
