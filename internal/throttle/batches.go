package throttle

import (
	"math"
	"time"

	"mmsdispatch/internal/message"
)

// batchBurst is the part of a second's worth of a batch with a pace that may begin at
// once.
const batchBurst = 10

// batchPatience is how long a message waits in the process for a token of its batch.
// It covers the interval in which parked messages are released.
const batchPatience = 150 * time.Millisecond

// patience is batchPatience for a lane. The lane high has none, since the others wait
// for its waiters.
func patience(high bool) time.Duration {
	if high {
		return 0
	}
	return batchPatience
}

// claim is what a message asks tokens for.
func (p *Pacer) claim(m *message.Message) claim {
	c := p.senders.claim(m)
	if m.Pace > 0 && m.BatchID != "" {
		c.batch, c.pace = string(m.BatchID), m.Pace
	}
	return c
}

// byRuns reports whether waiters may have limits of their own.
func (p *Pacer) byRuns() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.paced || len(p.senders.limits) > 0
}

// limitList are the senders and batches of the runs, as arguments of lua/take.lua.
type limitList struct {
	source  *redisSource
	senders *senders
	index   map[string]int // places in the list, from 1, by the key of the pace
	keys    []string
	args    []any
}

// sender is the place of a sender; 0: it has no limits.
func (l *limitList) sender(sender string) int {
	if sender == "" {
		return 0
	}
	key, limit := l.source.senderKey(sender), l.senders.limits[sender]
	burst := max(1, int(limit.PerSecond/senderBurst))
	return l.place(key, l.senders.dayKey(l.source, sender), microsPerToken(limit.PerSecond), burst, limit.Daily)
}

// batch is the place of a batch; 0: it has no pace.
func (l *limitList) batch(c claim) int {
	if c.batch == "" {
		return 0
	}
	const micro = 1_000_000
	key := l.source.keys.pace + ":batch:" + c.batch
	interval := int64(math.Ceil(micro * micro / float64(c.pace)))
	return l.place(key, key+":day", interval, max(1, int(c.pace/(micro*batchBurst))), 0)
}

func (l *limitList) place(key, day string, interval int64, burst int, daily int64) int {
	if at := l.index[key]; at > 0 {
		return at
	}
	l.index[key] = len(l.index) + 1
	l.keys = append(l.keys, key, reservedKey(key), freedKey(key), day)
	l.args = append(l.args, interval, burst, daily)
	return len(l.index)
}
