package suppression

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/redisconn"
)

// Opt-outs outlive the keys of RECORD_KEYS. Where numbers are encrypted, the name
// of a record is therefore a keyed hash of its number by a key of its own, the
// number key: made at random, kept in Redis once for each key of RECORD_KEYS,
// encrypted with it, and the same for as long as there are opt-outs.

const (
	// numbersKey is the hash that holds the number key and what is known about it.
	numbersKey = redisconn.KeyPrefix + "optouts:numbers"

	numbersGeneration = "generation" // names the number key
	numbersUsed       = "used"       // an opt-out was recorded under it
	numbersConverted  = "converted"  // no opt-out is left under its plain number
	numbersCreated    = "created"    // when it was made, in Unix ms
	numbersBy         = "by "        // begins the fields that hold it encrypted

	// alwaysKey exists wherever there are messages: a message whose opt-outs cannot
	// be told by one key is looked up.
	alwaysKey = redisconn.KeyPrefix + "secret"

	// numbersEvery is how often a process reads numbersKey: by then each one knows
	// whether numbers are encrypted.
	numbersEvery = 5 * time.Second
	// convertAfter is when no process writes plain numbers any more.
	convertAfter = 2 * numbersEvery
	// convertAtOnce is how many keys of Redis are looked at in one round trip.
	convertAtOnce = 1000
)

// errNumberKey says that opt-outs are encrypted and that this process has none of
// the keys.
var errNumberKey = fmt.Errorf("%w: opt-outs are encrypted with keys that are not in RECORD_KEYS", ErrUnavailable)

// numbers names the records of numbers.
type numbers struct {
	rdb      redis.UniversalClient
	keys     *encryption.Keys
	load     *redis.Script
	convert  *redis.Script
	encrypts bool
	known    atomic.Pointer[numberKey]
}

// numberKey is the number key as it was last read.
type numberKey struct {
	keys       *encryption.Keys // nil: numbers are plain
	secret     []byte
	generation string
	converted  bool
	used       bool
	created    time.Time
	blocked    error // opt-outs cannot be read
}

// key is the key that exists when a number may have opted out.
func (n *numbers) key(number string) string {
	known := n.known.Load()
	switch {
	case known == nil && !n.encrypts:
		return plainKey(number)
	case known == nil || known.blocked != nil || known.keys != nil && !known.converted:
		return alwaysKey
	default:
		return known.recordKey(number)
	}
}

func plainKey(number string) string { return recordPrefix + number }

func (k *numberKey) recordKey(number string) string { return recordPrefix + k.name(number) }

// name is how lists and keys name a number.
func (k *numberKey) name(number string) string {
	return k.keys.Name("optout", number)
}

// seal is the number for its record; empty: the name contains it.
func (k *numberKey) seal(number string) string {
	if k.keys == nil {
		return ""
	}
	return string(k.keys.Seal([]byte(number), []byte(k.name(number))))
}

// open is the number of a record.
func (k *numberKey) open(name, sealed string) (string, error) {
	if k.keys == nil || isPlain(name) {
		return name, nil
	}
	number, err := k.keys.Open([]byte(sealed), []byte(name))
	if err != nil {
		return "", fmt.Errorf("number of an opt-out: %w", err)
	}
	return string(number), nil
}

// isPlain distinguishes a number from a hash.
func isPlain(name string) bool { return strings.HasPrefix(name, "+") }

// get is the number key, read at most numbersEvery ago by Follow, or now.
func (n *numbers) get(ctx context.Context) (*numberKey, error) {
	known := n.known.Load()
	if known == nil {
		var err error
		if known, err = n.read(ctx); err != nil {
			return nil, err
		}
	}
	return known, known.blocked
}

// read reads the number key, or makes it where there is none. One that Redis has
// lost is written again; one that this process cannot read is replaced as long as
// nothing was recorded under it.
func (n *numbers) read(ctx context.Context) (*numberKey, error) {
	k, err := n.readPlain(ctx)
	if n.encrypts {
		k, err = n.readEncrypted(ctx)
	}
	if err != nil {
		return nil, err
	}
	n.known.Store(k)
	return k, nil
}

func (n *numbers) readPlain(ctx context.Context) (*numberKey, error) {
	encrypted, err := n.rdb.HExists(ctx, numbersKey, numbersGeneration).Result()
	switch {
	case err != nil:
		return nil, unavailable("read number key", err)
	case encrypted:
		return &numberKey{blocked: errNumberKey}, nil
	default:
		return &numberKey{}, nil
	}
}

func (n *numbers) readEncrypted(ctx context.Context) (*numberKey, error) {
	made := n.known.Load()
	if made == nil || made.keys == nil {
		secret := make([]byte, encryption.KeyBytes)
		_, _ = rand.Read(secret) // crypto/rand.Read never fails
		made = &numberKey{secret: secret, generation: rand.Text()}
	}
	k, err := n.loadOr(ctx, made, "")
	if err == nil && k.blocked != nil && !k.used {
		k, err = n.loadOr(ctx, made, k.generation)
	}
	return k, err
}

// loadOr reads the number key, and writes another one where there is none, or an
// unused one of the generation replace.
func (n *numbers) loadOr(ctx context.Context, made *numberKey, replace string) (*numberKey, error) {
	flat, err := n.load.Run(ctx, n.rdb, []string{numbersKey},
		numbersBy+n.keys.First(), n.keys.Seal(made.secret, []byte(made.generation)), made.generation, replace).StringSlice()
	if err != nil {
		return nil, unavailable("read number key", err)
	}
	fields := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		fields[flat[i]] = flat[i+1]
	}
	return n.parse(ctx, fields)
}

// parse opens the number key with one of the keys, and has it written for the
// first of them.
func (n *numbers) parse(ctx context.Context, fields map[string]string) (*numberKey, error) {
	created, _ := strconv.ParseInt(fields[numbersCreated], 10, 64)
	k := &numberKey{
		generation: fields[numbersGeneration], converted: fields[numbersConverted] != "", used: fields[numbersUsed] != "",
		created: time.UnixMilli(created), blocked: errNumberKey,
	}
	for name, sealed := range fields {
		if !strings.HasPrefix(name, numbersBy) {
			continue
		}
		secret, err := n.keys.Open([]byte(sealed), []byte(k.generation))
		if err != nil {
			continue // of another key
		}
		if k.keys, err = encryption.New([]encryption.Key{{ID: "n", Secret: secret}}, nil); err != nil {
			return nil, fmt.Errorf("number key: %w", err)
		}
		k.secret, k.blocked = secret, nil
		break
	}
	if own := numbersBy + n.keys.First(); k.blocked == nil && fields[own] == "" {
		_ = n.rdb.HSet(ctx, numbersKey, own, n.keys.Seal(k.secret, []byte(k.generation))).Err() // with the next reading else
	}
	return k, nil
}

// Follow keeps the number key in view until ctx ends, and converts opt-outs that
// were recorded under plain numbers.
func (s *Store) Follow(ctx context.Context) {
	ticker := time.NewTicker(numbersEvery)
	defer ticker.Stop()
	for {
		if k, err := s.numbers.read(ctx); err == nil && k.blocked == nil && k.keys != nil && !k.converted {
			_ = s.numbers.convertAll(ctx, k) // it goes on with the next tick
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// convertAll converts all opt-outs under plain numbers. Those of a Redis that
// forbids SCAN are converted one by one, when they are next looked up.
func (n *numbers) convertAll(ctx context.Context, k *numberKey) error {
	now, err := n.rdb.Time(ctx).Result()
	if err != nil || now.Sub(k.created) < convertAfter {
		return err //nolint:wrapcheck // it is tried again
	}
	node, err := redisconn.NodeOf(ctx, n.rdb, numbersKey)
	if err != nil {
		return fmt.Errorf("convert opt-outs: %w", err)
	}
	each := node.Scan(ctx, 0, recordPrefix+"+*", convertAtOnce).Iterator()
	for each.Next(ctx) {
		if err := n.convertOne(ctx, k, strings.TrimPrefix(each.Val(), recordPrefix)); err != nil {
			return err
		}
	}
	if err := each.Err(); err != nil {
		return unavailable("convert opt-outs", err)
	}
	return n.rdb.HSet(ctx, numbersKey, numbersConverted, 1).Err()
}

// convertOne renames the record of a plain number, if there is one, and its lines
// in the lists.
func (n *numbers) convertOne(ctx context.Context, k *numberKey, number string) error {
	err := n.convert.Run(ctx, n.rdb, []string{plainKey(number), k.recordKey(number)},
		number, k.name(number), k.seal(number), listPrefix, stopsKey).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		return unavailable("convert opt-out", err)
	}
	return nil
}
