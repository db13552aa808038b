package cli

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/replay"
)

// replayed records the messages that a runner dispatches, and the opt-outs it makes.
type replayed struct {
	mu       sync.Mutex
	ids      []message.ID
	optedOut []string
}

// suppress is a replay.SuppressFunc.
func (r *replayed) suppress(_ context.Context, scope message.Scope, number, reason string) (added bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.optedOut = append(r.optedOut, scope.Tenant+" "+number+" "+reason)
	return true, nil
}

// DispatchMany implements replay.Dispatcher.
func (r *replayed) DispatchMany(_ context.Context, messages []*message.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range messages {
		r.ids = append(r.ids, m.ID)
	}
	return nil
}

// endedMessage accepts a message of a tenant that ends with an outcome.
func endedMessage(t *testing.T, l *ledger.Ledger, tenant string, o message.Outcome) {
	t.Helper()
	a, err := l.Accept(t.Context(), ledger.Request{
		Scope: message.Scope{Tenant: tenant}, From: "+12065550100", Now: time.Now().UTC().Truncate(time.Millisecond),
		Content: message.Content{To: "+12065551212", Media: []string{"https://example.com/a.jpg"}, Priority: message.Normal},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []ledger.Change{
		func(m *message.Message, now time.Time) error {
			return m.Begin(m.Task, message.Attempt{Worker: "w"}, now)
		},
		func(m *message.Message, now time.Time) error { return m.Conclude(1, o, message.Retry{}, now) },
	} {
		if _, err := l.Update(t.Context(), a.Message.ID, change); err != nil {
			t.Fatal(err)
		}
	}
}

// startWorker runs replays as a worker does, until the test ends.
func startWorker(t *testing.T, rdb redis.UniversalClient, l *ledger.Ledger) *replayed {
	t.Helper()
	record := &replayed{}
	runner := replay.NewRunner(replay.NewStore(rdb, l, time.Hour), record, record.suppress, func(error) {}, zerolog.Nop())
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { runner.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return record
}

// TestReplayOfMany: over all tenants, with and without encryption; a dry run says
// how many, the workers replay them at the pace, and the audit has it.
func TestReplayOfMany(t *testing.T) {
	for name, keys := range map[string]string{"plain": "", "encrypted": "k1:a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			t.Setenv("REDIS_URL", server.URL())
			t.Setenv("RECORD_KEYS", keys)
			rdb := server.Client(t)
			l, err := ledger.New(rdb, ledger.Options{RecordTTL: time.Hour, Keys: recordKeys(t, keys)})
			if err != nil {
				t.Fatal(err)
			}
			refused := func(code message.ReasonCode) message.Outcome {
				return message.Outcome{Kind: message.OutcomeRefused, Code: code, Detail: "refused"}
			}
			const failed = 3
			for _, tenant := range []string{"shop", "shop", "bank"} {
				endedMessage(t, l, tenant, refused(message.ReasonAccount))
			}
			endedMessage(t, l, "shop", refused(message.ReasonRecipient))
			endedMessage(t, l, "shop", message.Outcome{Kind: message.OutcomeUnknown, Detail: "timeout"})

			selection := []string{"replay", "--status", "failed", "--reason", "account", "--since", "1h"}
			out, err := ctl(t, append(selection, "--dry-run")...)
			if err != nil || out != "3 messages would be replayed, of which 0 may be sent twice\n" {
				t.Fatalf("%q, %v", out, err)
			}
			out, err = ctl(t, "replay", "--status", "failed,unknown", "--dry-run", "--json")
			var selected struct{ Count, MayDouble int }
			if err != nil || json.Unmarshal([]byte(out), &selected) != nil || selected.Count != failed+2 || selected.MayDouble != 1 {
				t.Fatalf("%q, %v", out, err)
			}
			record := startWorker(t, rdb, l)
			begun := time.Now()
			out, err = ctl(t, append(selection, "--per-second", "10", "--as", "ann", "--json")...)
			var got shownReplay
			if err != nil || json.Unmarshal([]byte(out), &got) != nil || got.Status != "done" || got.Total != failed || got.Replayed != failed || got.Skipped != 0 {
				t.Fatalf("%q, %v", out, err)
			}
			// The first one goes at once, and the others a tenth of a second apart.
			if took := time.Since(begun); took < (failed-1)*time.Second/10 || len(record.ids) != failed {
				t.Errorf("%d messages in %s at 10 a second", len(record.ids), took)
			}
			wantReplayAudit(t)
			if out, err = ctl(t, append(selection, "--dry-run")...); err != nil || !strings.HasPrefix(out, "0 messages") {
				t.Errorf("%q, %v", out, err)
			}
		})
	}
}

func recordKeys(t *testing.T, text string) *encryption.Keys {
	t.Helper()
	if text == "" {
		return nil
	}
	keys, err := encryption.New([]encryption.Key{{ID: "k1", Secret: []byte("kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk")}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func wantReplayAudit(t *testing.T) {
	t.Helper()
	out, err := ctl(t, "audit", "--json")
	var entries []operator.Entry
	if err != nil || json.Unmarshal([]byte(out), &entries) != nil || len(entries) != 1 {
		t.Fatal(err, out)
	}
	if e := entries[0]; e.Actor != "ann" || e.Action != operator.ActionMessageReplay ||
		!strings.Contains(e.Target, "status=failed") || !strings.Contains(e.Target, "reason=account") {
		t.Errorf("the audit has %+v", e)
	}
}

// TestReplayOfManyRefuses: what cannot be meant is refused before anything happens.
func TestReplayOfManyRefuses(t *testing.T) {
	t.Setenv("REDIS_URL", redistest.Start(t).URL())
	for want, args := range map[string]string{
		"must be one of undelivered, failed":   "--status delivered",
		"there is no such reason":              "--status failed --reason weather",
		"must be the id of a batch":            "--status failed --batch campaign",
		"must be a time such as 24h":           "--status failed --since yesterday",
		"name the tenant with --tenant":        "--status failed --test",
		"more than 0 and at most 1000":         "--status failed --per-second 1001",
		"messages of unknown outcome may be":   "--status unknown",
		`unknown command "order-1" for "mmsct`: "order-1 --status failed",
	} {
		if out, err := ctl(t, append([]string{"replay"}, strings.Fields(args)...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v", args, out, err)
		}
	}
}
