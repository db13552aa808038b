// Package encryption encrypts what is kept about people, and names it in
// indexes by keyed hashes.
package encryption

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"iter"
	"sync"

	"mmsdispatch/internal/redisconn"
)

// KeyBytes is the length of a key.
const KeyBytes = 32

// maxKeyID is the length of the longest key id: one byte says it.
const maxKeyID = 255

var (
	// ErrKeyMissing says that a value was encrypted with a key that this process
	// does not have. It is a kind of redisconn.ErrUnavailable: nothing is lost, and
	// the value can be read once the key is back.
	ErrKeyMissing = fmt.Errorf("its key is not in RECORD_KEYS: %w", redisconn.ErrUnavailable)
	// errDamaged says that a value was changed since it was encrypted, or stands
	// where it was not written.
	errDamaged = errors.New("encrypted value is damaged")
	errKey     = errors.New("a key needs an id of 1 to 255 bytes and 32 bytes")
)

// Key encrypts, under an id that stands beside what it has encrypted.
type Key struct {
	ID     string
	Secret []byte // KeyBytes
}

// Collect makes keys of ids and secrets.
func Collect(listed iter.Seq2[string, []byte]) []Key {
	var keys []Key
	for id, secret := range listed {
		keys = append(keys, Key{ID: id, Secret: secret})
	}
	return keys
}

// Keys encrypts with the first of some keys and decrypts with any. Without a key,
// and as nil, it leaves everything as it is. It is safe for concurrent use.
//
// An encrypted value is the length of the key's id in one byte, the id, a random
// nonce of 12 bytes, the ciphertext, and the tag of 16 bytes of AES-256-GCM (NIST
// SP 800-38D). With random nonces one key may encrypt 2³² values (ibid., 8.3).
type Keys struct {
	list    []*key
	missing func(id string)
}

type key struct {
	id   string
	aead cipher.AEAD
	macs sync.Pool // of hash.Hash
}

// New makes Keys. missing is called with the id of each key that is not among
// them and that a value needs; it must be quick.
func New(keys []Key, missing func(id string)) (*Keys, error) {
	k := &Keys{missing: missing}
	for _, one := range keys {
		made, err := newKey(one)
		if err != nil {
			return nil, err
		}
		k.list = append(k.list, made)
	}
	return k, nil
}

// newKey derives from the secret one key to encrypt with and one to hash with.
func newKey(k Key) (*key, error) {
	if k.ID == "" || len(k.ID) > maxKeyID || len(k.Secret) != KeyBytes {
		return nil, errKey
	}
	block, err := aes.NewCipher(k.Secret)
	if err != nil {
		return nil, fmt.Errorf("cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("cipher: %w", err)
	}
	secret, err := hkdf.Key(sha256.New, k.Secret, nil, "mmsdispatch keyed hashes", KeyBytes)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return &key{id: k.ID, aead: aead, macs: sync.Pool{New: func() any { return hmac.New(sha256.New, secret) }}}, nil
}

// On reports whether values are encrypted.
func (k *Keys) On() bool { return k != nil && len(k.list) > 0 }

// First is the id of the key that encrypts; the Keys have to be On.
func (k *Keys) First() string { return k.list[0].id }

// Seal encrypts a value; the Keys have to be On. place is where it is kept: elsewhere it cannot be
// decrypted.
func (k *Keys) Seal(value, place []byte) []byte {
	first := k.list[0]
	out := make([]byte, 0, 1+len(first.id)+len(value)+first.aead.Overhead())
	out = append(out, byte(len(first.id))) //nolint:gosec // newKey bounds it
	out = append(out, first.id...)
	return first.aead.Seal(out, nil, value, place) //nolint:gosec // the AEAD makes a random nonce itself
}

// Open decrypts a value that is kept at a place. The error is ErrKeyMissing when its
// key is not among the keys.
func (k *Keys) Open(sealed, place []byte) ([]byte, error) {
	if len(sealed) == 0 || len(sealed) < 1+int(sealed[0]) {
		return nil, errDamaged
	}
	end := 1 + int(sealed[0])
	one, rest := k.find(sealed[1:end]), sealed[end:]
	if one == nil {
		return nil, fmt.Errorf("key %q: %w", sealed[1:end], ErrKeyMissing)
	}
	value, err := one.aead.Open(nil, nil, rest, place)
	if err != nil {
		return nil, errDamaged
	}
	return value, nil
}

func (k *Keys) find(id []byte) *key {
	if k == nil {
		return nil
	}
	for _, one := range k.list {
		if one.id == string(id) {
			return one
		}
	}
	if k.missing != nil {
		k.missing(string(id))
	}
	return nil
}

// Hash is the keyed hash of a text by the first key: for names of what is kept
// for a while. The label separates the uses of hashes. Without a key it is
// the text itself.
func (k *Keys) Hash(label, text string) string {
	if !k.On() {
		return text
	}
	return k.list[0].hash(label, text)
}

// Name is Hash in hexadecimal, for names that people meet.
func (k *Keys) Name(label, text string) string {
	if !k.On() {
		return text
	}
	return hex.EncodeToString([]byte(k.Hash(label, text)))
}

// Hashes are the keyed hashes of a text by each key, the first key's first, and
// at last the text itself: an index from before is looked up under any of them.
func (k *Keys) Hashes(label, text string) []string {
	if !k.On() {
		return []string{text}
	}
	all := make([]string, 0, len(k.list)+1)
	for _, one := range k.list {
		all = append(all, one.hash(label, text))
	}
	return append(all, text)
}

// hashBytes is how much of a hash is kept: enough for no two to meet.
const hashBytes = 16

// hash is raw bytes, for names that are kept a million times.
func (k *key) hash(label, text string) string {
	mac, _ := k.macs.Get().(hash.Hash)
	defer k.macs.Put(mac)
	mac.Reset()
	var in, out [sha256.Size * 2]byte
	n := append(in[:0], label...)
	n = append(n, 0)
	_, _ = mac.Write(append(n, text...)) // a hash never fails
	return string(mac.Sum(out[:0])[:hashBytes])
}
