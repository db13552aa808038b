// Package doctor checks an installation before and while it works: its
// configuration, Redis, PostgreSQL, clocks and processes, and its credentials at
// Sinch. It sends no message: none of its calls could send one. Its only write is
// the short-lived key that shows whether Redis accepts writes.
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

// Options are the settings of an examination.
type Options struct {
	// Environ contains the variables by name.
	Environ map[string]string
	// Processes are the processes that the environment configures.
	Processes []config.Process
	// Now replaces the system's clock.
	Now func() time.Time
}

// examination is one run.
type examination struct {
	Options

	cfg    *config.Config  // the readable part of the environment
	wrong  map[string]bool // unreadable variables
	client *wire.Client
	rdb    redis.UniversalClient // nil: there is none, or it does not answer
	health redisconn.Health      // its own report
	ahead  time.Duration         // Redis' clock minus this machine's
	skew   time.Duration         // Sinch's clock minus this machine's
	dated  bool                  // skew is known
}

// check is one check of an examination.
type check struct {
	name string
	run  func(ctx context.Context, n *findings)
}

// Examine runs all checks and returns their findings. A failed check does not
// prevent the next one.
func Examine(ctx context.Context, o Options) Report {
	if o.Now == nil {
		o.Now = time.Now
	}
	e := &examination{Options: o, client: wire.New(wire.Options{Connections: 1})}
	defer e.close()
	var report Report
	for _, c := range e.checks() {
		n := &findings{check: c.name}
		bounded, cancel := context.WithTimeout(ctx, checkTimeout)
		c.run(bounded, n)
		cancel()
		report.Findings = append(report.Findings, n.list...)
	}
	return report
}

// checks are in the order of their dependencies.
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
