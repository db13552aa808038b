package ledger

import (
	"context"
	"sync"
	"time"

	"mmsdispatch/internal/message"
)

// commits lets messages that come at the same time share one round trip: while
// one group is on its way to Redis, the next one gathers.
type commits struct {
	write func(ctx context.Context, groups []group) ([][]string, error)

	mu      sync.Mutex
	waiting []commit
	running bool
}

// commit is one message that waits to be written down.
type commit struct {
	secret  string
	message *message.Message
	closed  bool
	done    chan committed // buffered: the writer never waits for a caller
}

type committed struct {
	answer string
	err    error
}

// commitTimeout bounds one round trip for many callers; each of them waits no
// longer than its own context.
const commitTimeout = 1500 * time.Millisecond

// commitMax is how many messages one round trip takes.
const commitMax = 256

// add waits until a message is written down, and returns the script's answer.
func (c *commits) add(ctx context.Context, one commit) (string, error) {
	one.done = make(chan committed, 1)
	c.mu.Lock()
	c.waiting = append(c.waiting, one)
	if !c.running {
		c.running = true
		go c.run()
	}
	c.mu.Unlock()
	select {
	case result := <-one.done:
		return result.answer, result.err
	case <-ctx.Done():
		return "", unavailable("accept message", ctx.Err())
	}
}

// run writes until nobody waits.
func (c *commits) run() {
	for {
		next := c.next()
		if len(next) == 0 {
			return
		}
		c.commit(next)
	}
}

func (c *commits) next() []commit {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(c.waiting), commitMax)
	next := c.waiting[:n:n]
	c.waiting = c.waiting[n:]
	if n == 0 {
		c.running, c.waiting = false, nil
	}
	return next
}

// commit writes some down and tells their callers.
func (c *commits) commit(some []commit) {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	groups, members := arrange(some)
	answers, err := c.write(ctx, groups)
	for g, indices := range members {
		for row, i := range indices {
			if err != nil {
				some[i].done <- committed{err: err}
				continue
			}
			some[i].done <- committed{answer: answers[g][row]}
		}
	}
}

// arrange puts messages of one scope and secret together. members tells which
// ones a group holds.
func arrange(some []commit) (groups []group, members [][]int) {
	type kind struct {
		scope  message.Scope
		secret string
	}
	open := make(map[kind]int)
	for i, one := range some {
		k := kind{one.message.Scope, one.secret}
		at, ok := open[k]
		if !ok || len(groups[at].rows) == groupMax {
			at = len(groups)
			open[k] = at
			groups, members = append(groups, group{secret: one.secret}), append(members, nil)
		}
		groups[at].rows = append(groups[at].rows, groupRow{message: one.message, closed: one.closed})
		members[at] = append(members[at], i)
	}
	return groups, members
}
