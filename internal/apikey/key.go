// Package apikey knows who calls: keys of callers, listed in the configuration
// or stored in Redis. A key is only ever seen when it comes in and when it is
// made; what is kept, in memory and in Redis, is its SHA-256. Keys are long and
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

// The beginnings of a key say what it may do: a test key never reaches Sinch.
const (
	LivePrefix = "mms_live_"
	TestPrefix = "mms_test_"
)

// idBytes of the hash are the short id: enough to tell keys apart, nothing to
// guess one from.
const idBytes = 6

var (
	// ErrUnknown says that there is no such key, or that it is not one at all.
	ErrUnknown = errors.New("unknown API key")
	// ErrUnavailable is redisconn.ErrUnavailable of the stored keys. It comes
	// with its cause.
	ErrUnavailable = fmt.Errorf("API keys: %w", redisconn.ErrUnavailable)
	// ErrTenant says that a tenant's name is not made of 1 to 40 of [a-z0-9_-].
	ErrTenant = errors.New("a tenant is 1 to 40 of a-z, 0-9, _ and -")
	// ErrMalformed says that a key is not mms_live_ or mms_test_ and 24 to 64
	// letters and digits.
	ErrMalformed = errors.New("an API key is mms_live_ or mms_test_ and 24 to 64 letters and digits")
	// ErrSettings says that a key cannot have these settings. It comes with its cause.
	ErrSettings = errors.New("a key cannot have these settings")
	// errAnnounced says that a change was not made since it could not be announced.
	errAnnounced = errors.New("not changed")
)

var tenantPattern = regexp.MustCompile(`^[a-z0-9_-]{1,40}$`)

// Principal is who a key speaks for.
type Principal struct {
	Tenant string
	// Test says that messages go to the simulator instead of Sinch.
	Test bool
	// KeyID names the key in logs and for the methods of Store; it is no secret.
	KeyID string
	// Scopes are what the key allows.
	Scopes Scopes
	// Rate is in requests a second; 0: the service's own.
	Rate float64
	// Daily is in messages a UTC day; 0: no limit. Keys of one Quota share the count.
	Daily int64
	Quota string
	// ExpiresAt is when the key ends; zero: never.
	ExpiresAt time.Time
}

// digest is the SHA-256 of a key.
type digest [sha256.Size]byte

func digestOf(key string) digest { return sha256.Sum256([]byte(key)) }

// idPrefix begins the id of a key. Redis keeps keys under the rest.
const idPrefix = "key_"

func (d digest) id() string { return idPrefix + hex.EncodeToString(d[:idBytes]) }

// equal takes the same time wherever the digests differ.
func (d digest) equal(other digest) bool { return subtle.ConstantTimeCompare(d[:], other[:]) == 1 }

// wellFormed is asked for every request, hence no pattern.
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

// generate makes a key with at least 128 bits of randomness.
func generate(test bool) string {
	if test {
		return TestPrefix + rand.Text()
	}
	return LivePrefix + rand.Text()
}
