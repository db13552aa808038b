package message

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"strconv"
	"sync"
)

// Secret derives identities from references, so that an id in a log does not reveal
// its reference. It is safe for concurrent use.
type Secret struct {
	value string
	macs  sync.Pool // of hash.Hash: creating one takes twice as long as using it
}

// NewSecret creates a secret from a value of at least 128 random bits.
func NewSecret(value string) *Secret {
	return &Secret{value: value, macs: sync.Pool{New: func() any { return hmac.New(sha256.New, []byte(value)) }}}
}

// Value is the value of NewSecret.
func (s *Secret) Value() string { return s.value }

// Reference is the identity of the message that a scope has under ref.
func (s *Secret) Reference(scope Scope, ref string) [identityBytes]byte {
	return s.keyed(scope.String() + "\x00" + ref)
}

// Batch is the identity of the batch that a scope has under ref.
func (s *Secret) Batch(scope Scope, ref string) [identityBytes]byte {
	return s.keyed("batch\x00" + scope.String() + "\x00" + ref)
}

// Row is the identity of a row without a reference of its own in a batch that has
// one, so that a repeated batch continues the first.
func (s *Secret) Row(batch BatchID, index int64) [identityBytes]byte {
	return s.keyed("row\x00" + batch.Identity() + "\x00" + strconv.FormatInt(index, 10))
}

func (s *Secret) keyed(text string) [identityBytes]byte {
	mac, _ := s.macs.Get().(hash.Hash)
	defer s.macs.Put(mac)
	mac.Reset()
	mac.Write([]byte(text))
	var sum [sha256.Size]byte
	return [identityBytes]byte(mac.Sum(sum[:0])[:identityBytes])
}
