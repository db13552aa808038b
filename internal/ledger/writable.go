package ledger

import (
	"context"
	"time"
)

// probeTTL is the expiry of the key that Writable writes.
const probeTTL = time.Second

// Writable returns ErrUnavailable when Redis does not answer, or when the server of
// the records refuses writes: its memory is full, its disk fails, it is a replica,
// or it has fewer replicas than min-replicas-to-write.
func (l *Ledger) Writable(ctx context.Context) error {
	if err := l.rdb.Set(ctx, l.key("probe"), "", probeTTL).Err(); err != nil {
		return unavailable("probe", err)
	}
	return nil
}
