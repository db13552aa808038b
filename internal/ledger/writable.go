package ledger

import (
	"context"
	"time"
)

// probeTTL is how long the key of a probe is kept.
const probeTTL = time.Second

// Writable fails when Redis does not answer, or refuses writes where the
// records are: its memory is full, its disk fails, it is a replica, or it has
// lost the replicas it must have.
func (l *Ledger) Writable(ctx context.Context) error {
	if err := l.rdb.Set(ctx, l.key("probe"), "", probeTTL).Err(); err != nil {
		return unavailable("probe", err)
	}
	return nil
}
