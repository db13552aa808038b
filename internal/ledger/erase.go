package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/message"
)

// DropsContent reports whether messages are put on the list Content.
func (l *Ledger) DropsContent() bool { return l.opts.ContentTTL > 0 }

// Redact drops the content of a final message.
func (l *Ledger) Redact(ctx context.Context, id message.ID) error {
	_, err := l.Update(ctx, id, (*message.Message).Redact)
	return err
}

// Erase drops the content of a final message and its number, also where
// multi-recipient sends name it. With force a message of unknown outcome is erased. The
// errors are ErrNotFound, also for a message of another scope, and
// message.ErrNotErasable.
func (l *Ledger) Erase(ctx context.Context, scope message.Scope, id message.ID, force bool) (*message.Message, error) {
	number := ""
	m, err := l.Update(ctx, id, func(m *message.Message, now time.Time) error {
		if m.Scope != scope {
			return ErrNotFound
		}
		number = m.Content.To
		return m.Erase(force, now)
	})
	if err != nil {
		return nil, err
	}
	pipe := l.rdb.Pipeline()
	for i := range m.Calls {
		if call := m.Calls[i].Call; call != "" && !message.IsMasked(number) {
			pipe.HDel(ctx, l.callKey(call), l.codec.keys.Hashes(numberLabel, bare(number))...)
		}
	}
	if pipe.Len() == 0 {
		return m, nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, unavailable("erase message", err)
	}
	return m, nil
}

// scanAtOnce is how many keys of Redis one step of a search looks at.
const scanAtOnce = 1000

// EraseNumber erases all messages of a scope to a number. Those that are not final
// are open: they stay as they are. It looks at every record, since no index has
// numbers, and takes about a second for 100,000 keys of Redis. What was erased before
// an error is returned with it.
func (l *Ledger) EraseNumber(ctx context.Context, scope message.Scope, number string) (erased []message.ID, open int, err error) {
	seen := make(map[message.ID]bool)
	err = l.scan(ctx, func(records []string) error {
		found, err := l.recipients(ctx, records, scope, number)
		if err != nil {
			return err
		}
		for _, id := range found {
			if seen[id] { // a key may come twice
				continue
			}
			seen[id] = true
			switch _, err := l.Erase(ctx, scope, id, false); {
			case errors.Is(err, message.ErrNotErasable):
				open++
			case errors.Is(err, ErrNotFound):
			case err != nil:
				return err
			default:
				erased = append(erased, id)
			}
		}
		return nil
	})
	return erased, open, err
}

// recordKeys are the keys of records among some keys.
func (l *Ledger) recordKeys(keys []string) []string {
	records := make([]string, 0, len(keys))
	for _, key := range keys {
		if len(key) == len(l.opts.Prefix)+message.IdentityLength {
			records = append(records, key)
		}
	}
	return records
}

// recipients are the messages of a scope to a number among some records.
func (l *Ledger) recipients(ctx context.Context, records []string, scope message.Scope, number string) ([]message.ID, error) {
	marks := l.codec.marks(number)
	var found []message.ID
	for len(records) > 0 {
		values, _, err := l.readValues(ctx, records[:min(len(records), readMax)])
		if err != nil {
			return nil, err
		}
		records = records[len(values):]
		if found, err = l.sentTo(found, values, marks, scope, number); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// sentTo appends those of some records that are of a scope's messages to a number;
// marks are those of the number.
func (l *Ledger) sentTo(
	found []message.ID, records []any, marks [][]byte, scope message.Scope, number string,
) ([]message.ID, error) {
	for _, value := range records {
		raw, ok := value.(string)
		if !ok || !containsAny([]byte(raw), marks) {
			continue
		}
		r, err := l.codec.decode([]byte(raw))
		switch {
		case errors.Is(err, encryption.ErrKeyMissing):
			if r.message.Scope == scope {
				return nil, fmt.Errorf("search messages: %w", err)
			}
		case err == nil && r.message.Scope == scope && r.message.Content.To == number:
			found = append(found, r.message.ID)
		}
	}
	return found, nil
}

// marks are what the record of a message to a number contains one of: its keyed
// hash, or the number in either way that it is written.
func (c codec) marks(number string) [][]byte {
	var marks [][]byte
	for _, hash := range c.keys.Hashes(numberLabel, number) {
		marks = append(marks, []byte(hash)) // the last one is the number itself
	}
	if digits := digitsOf(number); digits > 0 {
		marks = append(marks, protowire.AppendVarint(nil, protowire.EncodeZigZag(digits)))
	}
	return marks
}

func containsAny(raw []byte, marks [][]byte) bool {
	for _, mark := range marks {
		if bytes.Contains(raw, mark) {
			return true
		}
	}
	return false
}
