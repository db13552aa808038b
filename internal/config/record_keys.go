package config

import (
	"encoding/base64"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
)

// RecordKey is a key that encrypts what is kept, and the id that it is known by.
type RecordKey struct {
	ID     string
	Secret Secret // recordKeyBytes, raw
}

// RecordKeys is the list in RECORD_KEYS.
type RecordKeys struct{ list []RecordKey }

// recordKeyBytes is the length of a key of AES-256.
const recordKeyBytes = 32

var recordKeyID = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,32}$`)

// All yields the ids and secrets in the order they were written.
func (k RecordKeys) All() iter.Seq2[string, []byte] {
	return func(yield func(id string, secret []byte) bool) {
		for _, key := range k.list {
			if !yield(key.ID, []byte(key.Secret.Reveal())) {
				return
			}
		}
	}
}

// UnmarshalText takes the value from the environment. Errors name an entry by
// its place only.
func (k *RecordKeys) UnmarshalText(text []byte) error {
	entries := strings.Split(string(text), ",")
	list := make([]RecordKey, 0, len(entries))

	var wrong []string

	for i, entry := range entries {
		id, encoded, _ := strings.Cut(strings.TrimSpace(entry), ":")
		secret, err := base64.StdEncoding.DecodeString(encoded)

		switch {
		case !recordKeyID.MatchString(id):
			wrong = append(wrong, fmt.Sprintf("entry %d needs an id of 1 to 32 letters, digits and _ . -", i+1))
		case err != nil || len(secret) != recordKeyBytes:
			wrong = append(wrong, fmt.Sprintf("entry %d needs a key of 32 bytes in base64", i+1))
		case slices.ContainsFunc(list, func(other RecordKey) bool { return other.ID == id }):
			wrong = append(wrong, fmt.Sprintf("entry %d has an id that another one has too", i+1))
		}

		list = append(list, RecordKey{ID: id, Secret: NewSecret(string(secret))})
	}

	if len(wrong) > 0 {
		return invalidError("must be id:key,id:key,…: " + strings.Join(wrong, "; "))
	}

	k.list = list
	return nil
}
