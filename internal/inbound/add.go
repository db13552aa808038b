package inbound

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// markKept is how long a repetition is recognised. Sinch repeats a webhook for up to
// two days (SMS REST API: the last pause is 22 h 45 min).
const markKept = 72 * time.Hour

// Add stores a message and its events, unless Sinch has sent it before. It returns
// the id under which the message is stored.
func (s *Store) Add(ctx context.Context, m Message, source Source) (id string, added bool, err error) {
	m.ID = newID()
	body, err := s.seal(m)
	if err != nil {
		return "", false, err
	}
	at, log := int64(0), ""
	if !m.ReceivedAt.IsZero() {
		at = m.ReceivedAt.UnixMilli()
	}
	if s.Log {
		log = "1"
	}
	keys := slices.Concat(
		[]string{recordKey(m.ID), senderKey(m.To), s.phoneKeys(m.From)[0], sendersKey, s.outboxKey(), changedKey},
		s.hashedKeys("mark:", markLabel, mark(m, source)),
	)
	args := []any{m.ID, m.To, at, body, s.TTL.Milliseconds(), markKept.Milliseconds(), log}
	events, err := s.events(m)
	if err != nil {
		return "", false, err
	}
	answer, err := s.add.Run(ctx, s.Redis, keys, append(args, events...)...).Slice()
	if err != nil {
		return "", false, unavailable("store inbound message", err)
	}
	const parts = 2
	if len(answer) == parts {
		id, _ = answer[0].(string)
		n, _ := answer[1].(int64)
		added = n == 1
	}
	return id, added, nil
}

// outboxKey is a key also where there are no events: the script needs one.
func (s *Store) outboxKey() string {
	if s.OutboxKey == "" {
		return changedKey
	}
	return s.OutboxKey
}

// events are the elements of the outbox for a message.
func (s *Store) events(m Message) ([]any, error) {
	if s.Events == nil {
		return nil, nil
	}
	var all []any
	for _, scope := range s.Events.Scopes() {
		if !s.sees(scope, m.To) {
			continue
		}
		element, err := s.Events.Received(scope, m.ID, time.Now())
		if err != nil {
			return nil, fmt.Errorf("inbound message: %w", err)
		}
		if element != "" {
			all = append(all, element)
		}
	}
	return all, nil
}

// mark identifies a message among all that Sinch sends. It is a hash, since without
// an id of Sinch it is made of the content.
func mark(m Message, source Source) string {
	parts := []string{source.API, source.ID}
	if source.ID == "" {
		parts = append(parts, m.From, m.To, m.Text, m.Keyword, m.ReceivedAt.UTC().Format(time.RFC3339Nano))
		parts = append(parts, m.Media...)
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

// content is the part of a message that is encrypted.
type content struct {
	From    string   `json:"from"`
	Text    string   `json:"text,omitempty"`
	Media   []string `json:"media,omitempty"`
	Keyword string   `json:"keyword,omitempty"`
}

// sealedMark begins an encrypted body. JSON does not begin with it.
const sealedMark = "\x00"

func (s *Store) seal(m Message) (string, error) {
	plain, err := json.Marshal(content{From: m.From, Text: m.Text, Media: m.Media, Keyword: m.Keyword})
	if err != nil {
		return "", fmt.Errorf("inbound message: %w", err)
	}
	if !s.Keys.On() {
		return string(plain), nil
	}
	return sealedMark + string(s.Keys.Seal(plain, []byte(recordKey(m.ID)))), nil
}

// open reads the body of a message into it. The error is encryption.ErrKeyMissing
// when its key is not among the keys.
func (s *Store) open(m *Message, body string) error {
	plain := []byte(body)
	if sealed, found := strings.CutPrefix(body, sealedMark); found {
		var err error
		if plain, err = s.Keys.Open([]byte(sealed), []byte(recordKey(m.ID))); err != nil {
			m.Locked = true
			return fmt.Errorf("inbound message %s: %w", m.ID, err)
		}
	}
	var c content
	if err := json.Unmarshal(plain, &c); err != nil {
		return fmt.Errorf("inbound message %s: %w", m.ID, err)
	}
	m.From, m.Text, m.Media, m.Keyword = c.From, c.Text, c.Media, c.Keyword
	return nil
}

// HelpEvery is how often a phone gets an answer to HELP.
const HelpEvery = 24 * time.Hour

// ClaimHelp reports whether the message with this id is to be answered: a phone has
// one answer in HelpEvery. A repetition of the same message may be answered again.
func (s *Store) ClaimHelp(ctx context.Context, number, id string) (bool, error) {
	keys := s.hashedKeys("help:", helpLabel, number)
	known, err := s.Redis.MGet(ctx, keys...).Result()
	if err != nil {
		return false, unavailable("claim answer to HELP", err)
	}
	for _, holder := range known {
		if holder != nil {
			return holder == id, nil
		}
	}
	claimed, err := s.Redis.SetNX(ctx, keys[0], id, HelpEvery).Result()
	if err != nil {
		return false, unavailable("claim answer to HELP", err)
	}
	if !claimed {
		holder, err := s.Redis.Get(ctx, keys[0]).Result()
		if err != nil {
			return false, unavailable("claim answer to HELP", err)
		}
		claimed = holder == id
	}
	return claimed, nil
}
