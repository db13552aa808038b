package saved

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// Key names a template without giving away what is in it.
type Key string

// keyBytes is how much of the hash is kept: nobody chooses what is hashed so as
// to collide, and the reference has to fit into Sinch's 64 characters.
const keyBytes = 16

// NewKey is the name of what consists of these parts, in their order.
func NewKey(parts ...string) Key {
	hash := sha256.New()
	for _, part := range parts {
		_, _ = hash.Write(binary.AppendUvarint(nil, uint64(len(part))))
		_, _ = hash.Write([]byte(part))
	}
	return Key(hex.EncodeToString(hash.Sum(nil)[:keyBytes]))
}

// refPrefix begins the references of templates; those of messages begin
// otherwise.
const refPrefix = "saved-"

// Ref is what Sinch is given as client reference, and brings back in its
// report.
func (k Key) Ref() string { return refPrefix + string(k) }

// parseRef reads a reference that came back.
func parseRef(ref string) (Key, bool) {
	name, ours := strings.CutPrefix(ref, refPrefix)
	raw, err := hex.DecodeString(name)
	return Key(name), ours && err == nil && len(raw) == keyBytes
}
