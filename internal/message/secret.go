package message

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"strconv"
	"sync"
)

// Secret derives identities from references, so that an id in a log gives no
// reference away. It is safe for concurrent use.
type Secret struct {
	value string
	macs  sync.Pool // of hash.Hash: one is made in twice the time that it takes to use it
}

// NewSecret makes a secret of at least 128 random bits.
func NewSecret(value string) *Secret {
	return &Secret{value: value, macs: sync.Pool{New: func() any { return hmac.New(sha256.New, []byte(value)) }}}
}

// Value is what the secret was made of.
func (s *Secret) Value() string { return s.value }

// Reference is the identity of the message a scope knows under ref.
func (s *Secret) Reference(scope Scope, ref string) [identityBytes]byte {
	return s.keyed(scope.String() + "\x00" + ref)
}

// Batch is the identity of the batch that a scope knows under ref.
func (s *Secret) Batch(scope Scope, ref string) [identityBytes]byte {
	return s.keyed("batch\x00" + scope.String() + "\x00" + ref)
}

// Row is the identity of a row without a reference of its own in a batch that
// has one, so that sending the batch again continues it.
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
