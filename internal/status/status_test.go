package status_test

import (
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"mmsdispatch/internal/apikey"
	"mmsdispatch/internal/callback"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }

func TestSinceCrossesMidnight(t *testing.T) {
	t.Parallel()
	night := time.Date(2026, 3, 1, 23, 59, 50, 0, time.UTC)
	before := status.Sample{At: night, Today: status.Totals{Accepted: 100, Sent: 90, Failed: 5}}
	for name, test := range map[string]struct {
		after status.Sample
		want  status.Totals
	}{
		"same day": {
			status.Sample{At: night.Add(5 * time.Second), Today: status.Totals{Accepted: 110, Sent: 95, Failed: 5}},
			status.Totals{Accepted: 10, Sent: 5},
		},
		"next day": {
			status.Sample{
				At: night.Add(15 * time.Second), Today: status.Totals{Accepted: 3, Failed: 1},
				Yesterday: status.Totals{Accepted: 104, Sent: 92, Failed: 5},
			},
			status.Totals{Accepted: 7, Sent: 2, Failed: 1},
		},
		"a scope was removed": {status.Sample{At: night.Add(5 * time.Second)}, status.Totals{}},
	} {
		if got := test.after.Since(before); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

// The rates and the failures of the last hour come from samples, over all tenants.
func TestTrend(t *testing.T) {
	t.Parallel()
	rdb, now := redistest.Shared(t).Client(t), time.Now().UTC()
	records, err := ledger.New(rdb, ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	callbacks, err := callback.NewStore(rdb, time.Now, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	stored := apikey.NewStore(rdb)
	if _, _, err := stored.Create(t.Context(), apikey.Settings{Tenant: "globex", Test: true, Scopes: apikey.AllScopes}); err != nil {
		t.Fatal(err)
	}
	scopes := status.Scopes{Redis: rdb, Keys: stored, Configured: []message.Scope{{Tenant: "acme"}}}
	at := now.Add(-time.Minute)
	sampler := status.Sampler{Redis: rdb, Ledger: records, Scopes: scopes, Now: func() time.Time { return at }, Log: zerolog.Nop()}
	accept := func(scope message.Scope, n int) {
		for range n {
			accepted, err := records.Accept(t.Context(), ledger.Request{
				Scope: scope, From: "+12065550100", Now: time.Now(),
				Content: message.Content{To: "+12065551212", Text: "x", Media: []string{"https://example.com/a.jpg"}, Priority: message.Normal},
			})
			if err != nil {
				t.Fatal(err)
			}
			if scope.Test {
				continue
			}
			_, err = records.Update(t.Context(), accepted.Message.ID, func(m *message.Message, now time.Time) error {
				return m.Refuse(message.Reason{Code: message.ReasonMedia, Message: "no media"}, now)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, step := range []struct {
		at         time.Time
		live, test int
	}{{now.Add(-time.Minute), 1, 0}, {now.Add(-20 * time.Second), 2, 0}, {now, 3, 37}} {
		accept(message.Scope{Tenant: "acme"}, step.live)
		accept(message.Scope{Tenant: "globex", Test: true}, step.test)
		at = step.at
		if err := sampler.Take(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	reader := status.Reader{Redis: rdb, Ledger: records, Callbacks: callbacks, Scopes: scopes, Now: func() time.Time { return now }}
	s, err := reader.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.FailedLastHour != 5 || s.AcceptedPerSecond != 2 || s.Lanes[1].Waiting != 37 {
		t.Errorf("failed %d, accepted %v per second, lanes %+v", s.FailedLastHour, s.AcceptedPerSecond, s.Lanes)
	}
}
