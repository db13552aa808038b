// Package doctor examines an installation before and while it works: what it
// is told by its environment, what it stands on, and whether Sinch takes its
// credentials. It sends no message: none of its calls could make one. Its one
// write is the short-lived key that shows whether Redis takes writes.
package doctor

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/config"
	"mmsdispatch/internal/redisconn"
	"mmsdispatch/internal/sinch/wire"
)

// checkTimeout bounds each check, above what a slow Sinch needs.
const checkTimeout = 15 * time.Second

// Options say what is examined.
type Options struct {
	// Environ holds the variables by name.
	Environ map[string]string
	// Processes are those that are to run with the environment.
	Processes []config.Process
	// Now replaces the system's clock.
	Now func() time.Time
}

// examination is one run.
type examination struct {
	Options

	cfg    *config.Config  // what can be read of the environment
	wrong  map[string]bool // variables that cannot
	client *wire.Client
	rdb    redis.UniversalClient // nil: there is none, or it does not answer
	health redisconn.Health      // what it says about itself
	ahead  time.Duration         // by which Redis' clock is ahead of this machine's
	skew   time.Duration         // by which Sinch's clock is ahead of this machine's
	dated  bool                  // skew is known
}

// check is one thing that is looked at.
type check struct {
	name string
	run  func(ctx context.Context, n *notes)
}

// Examine looks at everything and tells what it found. What is wrong with one
// thing does not keep it from looking at the next.
func Examine(ctx context.Context, o Options) Report {
	if o.Now == nil {
		o.Now = time.Now
	}
	e := &examination{Options: o, client: wire.New(wire.Options{Connections: 1})}
	defer e.close()
	var report Report
	for _, c := range e.checks() {
		n := &notes{check: c.name}
		bounded, cancel := context.WithTimeout(ctx, checkTimeout)
		c.run(bounded, n)
		cancel()
		report.Findings = append(report.Findings, n.list...)
	}
	return report
}

// checks are in the order in which one stands on the other.
func (e *examination) checks() []check {
	return []check{
		{"configuration", e.configuration},
		{"sender", e.sender},
		{"media", e.media},
		{"webhooks", e.webhooks},
		{"redis", e.redis},
		{"capacity", e.capacity},
		{"clock", e.clock},
		{"keys", e.keys},
		{"workers", e.workers},
		{"account", e.account},
		{"database", e.database},
		{"sinch", e.sinch},
		{"sinch clock", e.sinchClock},
	}
}

func (e *examination) close() {
	e.client.Close()
	if e.rdb != nil {
		_ = e.rdb.Close() // it is not used any more
	}
}
