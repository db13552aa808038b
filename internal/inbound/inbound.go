// Package inbound stores the messages that phones send to the numbers of the
// service: each of them once, however often Sinch repeats its webhook, and with its
// event for the tenants that may use the number.
package inbound

import (
	"crypto/rand"
	_ "embed" // for the script
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
)

var (
	// ErrNotFound says that a message does not exist, or is no longer kept.
	ErrNotFound = errors.New("no such inbound message")
	// ErrUnavailable is redisconn.ErrUnavailable of the inbound messages.
	ErrUnavailable = fmt.Errorf("inbound messages: %w", redisconn.ErrUnavailable)
)

// unavailable marks a failure of Redis as such.
func unavailable(operation string, err error) error {
	return fmt.Errorf("%s: %w: %w", operation, ErrUnavailable, err)
}

// Message is a message of a phone.
type Message struct {
	ID         string
	From       string // E.164, or the digits where they are no phone number
	To         string // the sender of the service, in its canonical form; empty where Sinch does not say
	Text       string
	Media      []string // URLs, as Sinch gives them
	Keyword    string   // upper case; empty: none
	ReceivedAt time.Time
	CreatedAt  time.Time // when it was stored, by which lists are sorted

	// Locked says that the key of its content is not among the keys: only ID, To
	// and the times are known.
	Locked bool
}

// Source is what identifies a message at Sinch.
type Source struct {
	API string
	ID  string // empty: Sinch gives none; then the content identifies it
}

// Events makes the events of stored messages.
type Events interface {
	// Scopes are those that have events.
	Scopes() []message.Scope
	// Received is the element of OutboxKey for a message to a scope; empty: none.
	Received(scope message.Scope, id string, at time.Time) (string, error)
}

// Options are the parts and settings of a Store.
type Options struct {
	Redis redis.UniversalClient
	// Keys encrypt the content and hash the numbers of phones; nil: they are plain.
	Keys *encryption.Keys
	// TTL is how long messages are kept.
	TTL time.Duration
	// Senders says which tenants see the messages to a sender.
	Senders message.SenderTenants
	// Events makes events, which are pushed to the list OutboxKey; nil: there are none.
	Events    Events
	OutboxKey string
	// Log keeps each message until Logged is called for it.
	Log bool
	// Embedded is true for the Redis of the development mode.
	Embedded bool
}

//go:embed lua/add.lua
var addScript string

// Store keeps the messages in Redis.
type Store struct {
	Options

	add *redis.Script
}

// NewStore makes a store.
func NewStore(o Options) *Store {
	return &Store{Options: o, add: redisconn.NewScript(addScript, "", o.Embedded)}
}

// The keys in Redis. All have one hash tag, since a script touches several of them.
const (
	prefix     = redisconn.KeyPrefix + "inbound:"
	sendersKey = prefix + "senders" // that have messages, by the time of the last one
	changedKey = prefix + "unlogged"
)

func recordKey(id string) string     { return prefix + "message:" + id }
func senderKey(sender string) string { return prefix + "to:" + sender }

// The labels of keyed hashes.
const (
	phoneLabel = "inbound phone"
	markLabel  = "inbound mark"
	helpLabel  = "inbound help"
)

// hashedKeys are the keys that end in the hash of a text under each key of Keys, the
// one that is written first.
func (s *Store) hashedKeys(kind, label, text string) []string {
	hashes := s.Keys.Hashes(label, text)
	for i, hash := range hashes {
		if i < len(hashes)-1 {
			hash = hex.EncodeToString([]byte(hash))
		}
		hashes[i] = prefix + kind + hash
	}
	return hashes
}

func (s *Store) phoneKeys(number string) []string { return s.hashedKeys("from:", phoneLabel, number) }

// idPrefix begins the id of a message.
const idPrefix = "inb_"

func newID() string { return idPrefix + strings.ToLower(rand.Text()) }

// idPattern is the form of ids: rand.Text has 26 characters of base32.
var idPattern = regexp.MustCompile(`^inb_[a-z2-7]{26}$`)

// ValidID reports whether a text has the form of an id.
func ValidID(text string) bool { return idPattern.MatchString(text) }

// sees reports whether a scope has the messages to a sender. Phones answer live
// messages.
func (s *Store) sees(scope message.Scope, sender string) bool {
	return !scope.Test && s.Senders.Allows(scope.Tenant, sender)
}
