package pages_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/pause"
	"mmsdispatch/internal/status"
	"mmsdispatch/internal/workers"
)

// worker runs the publication of a worker for as long as one start takes.
func (c *console) worker(version string, rate float64, at time.Time) {
	c.tb.Helper()
	ctx, cancel := context.WithCancel(c.tb.Context())
	p := workers.Publisher{
		Redis: c.rdb, Worker: workers.State{ID: "w-" + version, Version: version, Rate: rate, StartedAt: at}, Recorder: workers.NewRecorder(),
		Sending: func() int { cancel(); return 0 }, Now: func() time.Time { return at },
	}
	p.Run(ctx)
}

// The charts have marks where a version or a setting changed, and the changes are
// listed with who made them.
func TestMarks(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	now := time.Now()
	sample := func(at time.Time) {
		sampler := status.Sampler{Redis: c.rdb, Ledger: c.ledger, Scopes: c.stores.Status.Scopes, Now: func() time.Time { return at }}
		if err := sampler.Take(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	c.worker("v0", 10, now.Add(-3*time.Hour))
	c.worker("v1", 10, now.Add(-2*time.Hour)) // before the first sample
	sample(now.Add(-40 * time.Minute))
	if body := c.page("viewer", "/console/").body; strings.Contains(body, "Changes in this hour") {
		t.Error("changes without charts")
	}
	c.worker("v2", 25, now.Add(-30*time.Minute))
	sample(now.Add(-20 * time.Minute))
	ann := operator.New(c.rdb, "ann", operator.FromCtl)
	bulk, err := pause.Lane("bulk")
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []func() error{
		func() error { return ann.Pause(t.Context(), bulk, "complaints") },
		func() error { return ann.SetRate(t.Context(), 5, "carrier asks") },
		func() error { return ann.ResetRate(t.Context(), "") },
		func() error {
			return ann.Record(t.Context(), operator.Change{Action: operator.ActionKeyCreate, Target: "key_1"})
		},
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
	}
	sample(now.Add(20 * time.Minute)) // however long the changes took
	body := c.page("viewer", "/console/").body
	list := regexp.MustCompile(`(?s)<ul class="marks".*?</ul>`).FindString(body)
	wantAll(t, list, "workers start with v2, before v1", "workers start with SINCH_RATE 25, before 10",
		"pause of lane:bulk by", `href="/console/audit?actor=ann"`, "pace 5 per second, before SINCH_RATE", "pace SINCH_RATE, before 5 per second")
	if strings.Contains(list, "key_1") || strings.Contains(list, "before v0") {
		t.Errorf("changes without a mark:\n%s", list)
	}
	const charts, changes = 3, 5
	if n := strings.Count(body, "<line class=\"mark"); n != charts*changes {
		t.Errorf("%d marks", n)
	}
	// The version changed ten minutes after the first of the sixty minutes.
	wantAll(t, body, "with 5 changes", `<line class="mark version" x1="100.0"`)
}
