package app

import (
	"context"
	"os"
	"strconv"
	"time"

	"mmsdispatch/internal/background"
	"mmsdispatch/internal/redisconn"
	"mmsdispatch/internal/telemetry"
)

const (
	clockEvery   = 5 * time.Second
	clockTimeout = 2 * time.Second
)

// clockPart measures and exports the difference between Redis' clock and that of
// this process.
func (e *environment) clockPart() part {
	host, _ := os.Hostname() // part of the worker's id, beside the process id
	w := &clockWatch{
		clock: e.clock, metrics: e.metrics.Clock, process: string(e.cfg.Process) + " " + host + ":" + strconv.Itoa(os.Getpid()),
	}
	looks := background.Loop(w.run)
	first := func(ctx context.Context) error {
		w.measure(ctx)
		return looks.Start(ctx)
	}
	return part{name: "clock", Service: background.New(first, looks.Stop)}
}

type clockWatch struct {
	clock   *redisconn.Clock
	metrics *telemetry.ClockMetrics
	process string
}

func (w *clockWatch) run(ctx context.Context) {
	ticker := time.NewTicker(clockEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		w.measure(ctx)
	}
}

// measure measures once. Other parts log when Redis does not respond.
func (w *clockWatch) measure(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, clockTimeout)
	defer cancel()
	if w.clock.Measure(ctx) != nil {
		return
	}
	w.metrics.Redis(w.clock.Skew())
	_ = w.clock.Publish(ctx, w.process)
}

// sinchSkew exports by how much Redis' clock is ahead of Sinch's. skew is by how
// much Sinch's is ahead of that of this process.
func (e *environment) sinchSkew(skew time.Duration) {
	e.metrics.Clock.Sinch(-skew - e.clock.Skew())
}
