package ledger

import (
	"context"
	"errors"

	"mmsdispatch/internal/batcher"
	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
)

// SnapshotResult is a message as it was read, or why it was not.
type SnapshotResult = batcher.Result[Snapshot]

// Search yields every message of all scopes, or those of a batch, in no order; one may
// come twice. It reads every record, since no index has all messages, and takes about
// a second for 100,000 keys of Redis. A message whose key is missing comes without
// what is private in its content.
func (l *Ledger) Search(ctx context.Context, batch message.BatchID, yield func(s Snapshot)) error {
	if batch != "" {
		return l.searchBatch(ctx, batch, yield)
	}
	return l.scan(ctx, func(keys []string) error {
		for len(keys) > 0 {
			values, _, err := l.readValues(ctx, keys[:min(len(keys), readMax)])
			if err != nil {
				return err
			}
			keys = keys[len(values):]
			for _, value := range values {
				raw, ok := value.(string)
				if !ok {
					continue
				}
				if r, _ := l.codec.decode([]byte(raw)); r.message != nil { // an unreadable one is logged where it is needed
					yield(Snapshot{Message: r.message, version: r.version})
				}
			}
		}
		return nil
	})
}

func (l *Ledger) searchBatch(ctx context.Context, batch message.BatchID, yield func(s Snapshot)) error {
	size, err := l.rdb.StrLen(ctx, l.membersKey(batch)).Result()
	if err != nil {
		return unavailable("read batch", err)
	}
	end := size / int64(message.PackedLength)
	for first := int64(0); first < end; first += listIDs {
		ids, err := l.members(ctx, batch, first, min(end, first+listIDs))
		if err != nil {
			return err
		}
		results, err := l.ReadEach(ctx, ids)
		if err != nil {
			return err
		}
		for _, r := range results {
			if r.Err == nil || errors.Is(r.Err, encryption.ErrKeyMissing) {
				yield(r.Value)
			}
		}
	}
	return nil
}

// scan calls visit with the keys of records, some at a time. A key may come twice.
func (l *Ledger) scan(ctx context.Context, visit func(keys []string) error) error {
	node, err := redisconn.NodeOf(ctx, l.rdb, l.key("secret"))
	if err != nil {
		return unavailable("search messages", err)
	}
	for cursor := uint64(0); ; {
		keys, next, err := node.Scan(ctx, cursor, l.opts.Prefix+"*", scanAtOnce).Result()
		if err != nil {
			return unavailable("search messages", err)
		}
		if records := l.recordKeys(keys); len(records) > 0 {
			if err := visit(records); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}
