package mediastore

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"strings"
)

const (
	idPrefix = "med_"
	// secretBytes is how much chance an id and a secret each hold: 128 bits.
	secretBytes = 16
	secretChars = 26
)

var encoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// ErrMalformedID is returned for a string that cannot be the id of a media.
var ErrMalformedID = errors.New("malformed media id")

// ParseID checks the form of an id.
func ParseID(s string) (string, error) {
	random, ok := strings.CutPrefix(s, idPrefix)
	if !ok || !isRandom(random) {
		return "", ErrMalformedID
	}
	return s, nil
}

func isRandom(s string) bool {
	raw, err := encoding.DecodeString(s)
	return err == nil && len(raw) == secretBytes && encoding.EncodeToString(raw) == s
}

func newID() string { return idPrefix + newSecret() }

func newSecret() string {
	var random [secretBytes]byte
	_, _ = rand.Read(random[:]) // crypto/rand.Read never fails since Go 1.24
	return encoding.EncodeToString(random[:])
}

// token is the part of a link that names a media: its id without the prefix, and
// a secret.
func token(id, secret string) string { return strings.TrimPrefix(id, idPrefix) + secret }

// parseToken is the reverse of token.
func parseToken(s string) (id, secret string, ok bool) {
	if len(s) != 2*secretChars || !isRandom(s[:secretChars]) || !isRandom(s[secretChars:]) {
		return "", "", false
	}
	return idPrefix + s[:secretChars], s[secretChars:], true
}

// opens compares a secret in constant time.
func opens(secret, given string) bool {
	return secret != "" && subtle.ConstantTimeCompare([]byte(secret), []byte(given)) == 1
}
