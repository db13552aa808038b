package message

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"time"
)

// An id is "msg_", a version character, 26 characters of identity (128 bits)
// and 8 characters of creation time (40 bits of Unix milliseconds).
const (
	idPrefix      = "msg_"
	idVersion     = "1"
	identityBytes = 16
	identityChars = 26
	stampBytes    = 5
	stampChars    = 8
	idLength      = len(idPrefix) + len(idVersion) + identityChars + stampChars
)

// ErrMalformedID is returned for a string that cannot be a message id.
var ErrMalformedID = errors.New("malformed message id")

// encoding is base32 in lower case without letters that are easily misread.
var encoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

func crockford() *base32.Encoding { return encoding }

// ID identifies a message. Its identity part is derived from tenant and
// reference, so that the record is found by either; its time part distinguishes two
// messages that used one reference, the second after the first had expired.
type ID string

// NewID builds an id from an identity and the time of creation.
func NewID(identity [identityBytes]byte, created time.Time) ID {
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(created.UnixMilli()))
	enc := crockford()
	return ID(idPrefix + idVersion + enc.EncodeToString(identity[:]) + enc.EncodeToString(ms[8-stampBytes:]))
}

// ParseID checks the form of an id.
func ParseID(s string) (ID, error) {
	if len(s) != idLength || !strings.HasPrefix(s, idPrefix+idVersion) {
		return "", ErrMalformedID
	}
	rest := s[len(idPrefix)+len(idVersion):]
	enc := crockford()
	identity, err := enc.DecodeString(rest[:identityChars])
	if err != nil || enc.EncodeToString(identity) != rest[:identityChars] {
		return "", ErrMalformedID
	}
	if _, err := enc.DecodeString(rest[identityChars:]); err != nil {
		return "", ErrMalformedID
	}
	return ID(s), nil
}

// IdentityLength is the length of the identity of an id, in bytes.
const IdentityLength = identityChars

// PackedLength is the length of a packed id, in bytes.
const PackedLength = identityBytes + stampBytes

// Packed is the binary form of the id, for lists of millions.
func (id ID) Packed() string {
	packed := make([]byte, 0, PackedLength)
	enc := crockford()
	packed, _ = enc.AppendDecode(packed, []byte(id.Identity())) // an ID is well-formed
	packed, _ = enc.AppendDecode(packed, []byte(id[len(idPrefix)+len(idVersion)+identityChars:]))
	return string(packed)
}

// UnpackID is the reverse of Packed.
func UnpackID(packed string) (ID, error) {
	if len(packed) != PackedLength {
		return "", ErrMalformedID
	}
	enc := crockford()
	out := make([]byte, 0, idLength)
	out = append(out, idPrefix+idVersion...)
	out = enc.AppendEncode(out, []byte(packed[:identityBytes]))
	out = enc.AppendEncode(out, []byte(packed[identityBytes:]))
	return ID(out), nil
}

// Identity is the part of the id that names the record in the ledger.
func (id ID) Identity() string { return string(id[len(idPrefix)+len(idVersion):][:identityChars]) }

// stampEpoch is the value of the first bit beyond the 40 bits of the stamp: ids are
// unambiguous from 2004 to 2039.
const stampEpoch = 1 << (8 * stampBytes) //nolint:mnd // bits of a byte

// Created is the time of creation, to the millisecond.
func (id ID) Created() time.Time {
	ms := make([]byte, 8-stampBytes, 8)
	ms, _ = crockford().AppendDecode(ms, []byte(id[len(id)-stampChars:]))        // an ID is well-formed
	return time.UnixMilli(stampEpoch + int64(binary.BigEndian.Uint64(ms))).UTC() //nolint:gosec // 40 bits
}

// Short is the id without its prefix, as used for task names.
func (id ID) Short() string { return strings.TrimPrefix(string(id), idPrefix) }

// AttemptRef names one attempt of a message. It is the client reference at Sinch,
// so that a receipt is matched without an index.
func (id ID) AttemptRef(n int) string { return string(id) + "-" + strconv.Itoa(n) }

// ParseAttemptRef parses an attempt reference.
func ParseAttemptRef(ref string) (ID, int, error) {
	head, tail, ok := strings.Cut(ref, "-")
	if !ok {
		return "", 0, ErrMalformedID
	}
	id, err := ParseID(head)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.Atoi(tail)
	if err != nil || n < 1 || strconv.Itoa(n) != tail {
		return "", 0, ErrMalformedID
	}
	return id, n, nil
}

// Scope isolates tenants from each other, and within a tenant live from test
// messages.
type Scope struct {
	Tenant string
	Test   bool
}

// String names the scope in keys.
func (s Scope) String() string {
	if s.Test {
		return s.Tenant + ":test"
	}
	return s.Tenant + ":live"
}

// RandomIdentity is the identity of a message without a reference.
func RandomIdentity() [identityBytes]byte {
	var identity [identityBytes]byte
	_, _ = rand.Read(identity[:]) // crypto/rand.Read never fails since Go 1.24
	return identity
}
