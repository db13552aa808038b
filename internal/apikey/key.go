// Package apikey authenticates callers by API keys, which are listed in the
// configuration or stored in Redis. A key exists in plain text only in a request
// and when it is created; memory and Redis hold its SHA-256. Keys are long and
// random, so that hash needs neither salt nor stretching.
package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"mmsdispatch/internal/redisconn"
)

// The prefix of a key is its kind: a test key never reaches Sinch.
const (
	LivePrefix = "mms_live_"
	TestPrefix = "mms_test_"
)

// idBytes is the length of the hash prefix that forms the id: enough to
// distinguish keys, and no help to guess one.
const idBytes = 6

var (
	// ErrUnknown is returned for a text that is not a valid key.
	ErrUnknown = errors.New("unknown API key")
	// ErrUnavailable is redisconn.ErrUnavailable of the stored keys. It comes
	// with its cause.
	ErrUnavailable = fmt.Errorf("API keys: %w", redisconn.ErrUnavailable)
	// ErrTenant is returned for a tenant that is not 1 to 40 of [a-z0-9_-].
	ErrTenant = errors.New("a tenant is 1 to 40 of a-z, 0-9, _ and -")
	// ErrMalformed is returned for a key that is not mms_live_ or mms_test_ and 24
	// to 64 letters and digits.
	ErrMalformed = errors.New("an API key is mms_live_ or mms_test_ and 24 to 64 letters and digits")
	// ErrSettings is returned for settings that a key cannot have. It comes with its
	// cause.
	ErrSettings = errors.New("a key cannot have these settings")
	// errAnnounced is returned for a change that was not made because its
	// announcement failed.
	errAnnounced = errors.New("not changed")
)

var tenantPattern = regexp.MustCompile(`^[a-z0-9_-]{1,40}$`)

// CheckTenant returns ErrTenant for a name that no tenant has.
func CheckTenant(name string) error {
	if !tenantPattern.MatchString(name) {
		return ErrTenant
	}
	return nil
}

// Principal is the tenant of a key, with the key's kind, scopes and rate.
type Principal struct {
	Tenant string
	// Test is true when messages go to the simulator instead of Sinch.
	Test bool
	// KeyID identifies the key in logs and in methods of Store; it is no secret.
	KeyID string
	// Scopes are the requests that the key allows.
	Scopes Scopes
	// Rate is in requests a second; 0: that of the service.
	Rate float64
	// Daily is in messages a UTC day; 0: no limit. Keys of one Quota share the count.
	Daily int64
	Quota string
	// ExpiresAt is the end of the key; zero: never.
	ExpiresAt time.Time
}

// digest is the SHA-256 of a key.
type digest [sha256.Size]byte

func digestOf(key string) digest { return sha256.Sum256([]byte(key)) }

// idPrefix begins the id of a key. The field in Redis is the rest.
const idPrefix = "key_"

func (d digest) id() string { return idPrefix + hex.EncodeToString(d[:idBytes]) }

// equal takes constant time.
func (d digest) equal(other digest) bool { return subtle.ConstantTimeCompare(d[:], other[:]) == 1 }

// wellFormed runs for every request, hence without a regular expression.
func wellFormed(key string) bool {
	const least, most = 24, 64
	random, live := strings.CutPrefix(key, LivePrefix)
	test := false
	if !live {
		random, test = strings.CutPrefix(key, TestPrefix)
	}
	strange := func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }
	return (live || test) && len(random) >= least && len(random) <= most && !strings.ContainsFunc(random, strange)
}

func isTest(key string) bool { return key[:len(TestPrefix)] == TestPrefix }

// generate returns a new key with at least 128 bits of randomness.
func generate(test bool) string {
	if test {
		return TestPrefix + rand.Text()
	}
	return LivePrefix + rand.Text()
}
