package messagelog_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/messagelog"
	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/pgtest"
)

// The migrations go up, down and up again; an older schema is refused.
func TestMigrations(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t)
	m, err := messagelog.NewMigrator(url)
	must(t, err)
	defer func() { must(t, m.Close()) }()
	log, err := messagelog.New(messagelog.Options{URL: url, Connections: 1})
	must(t, err)
	defer log.Close()
	if err := log.CheckSchema(t.Context()); !errors.Is(err, messagelog.ErrSchema) {
		t.Errorf("without tables: %v", err)
	}
	for range 2 {
		applied, err := m.Up(t.Context())
		must(t, err)
		all, err := m.Status(t.Context())
		must(t, err)
		if len(applied) != len(all) {
			t.Errorf("applied %v of %v", applied, all)
		}
		must(t, log.CheckSchema(t.Context()))
		for range all {
			undone, err := m.Down(t.Context())
			must(t, err)
			if undone == "" {
				t.Error("nothing was undone")
			}
		}
		if err := log.CheckSchema(t.Context()); !errors.Is(err, messagelog.ErrSchema) {
			t.Errorf("after down: %v", err)
		}
	}
	if undone, err := m.Down(t.Context()); err != nil || undone != "" {
		t.Errorf("down without tables: %q, %v", undone, err)
	}
}

// Partitions of months that are older than the retention are dropped, also one whose
// detachment was interrupted, and no others.
func TestRetention(t *testing.T) {
	t.Parallel()
	now := time.Now()
	b := setup(t, func(s *settings) { s.now = func() time.Time { return now } })
	old := b.accept(t, func(r *ledger.Request) { r.Now = r.Now.Add(-300 * 24 * time.Hour) })
	b.accept(t)
	b.round(t)
	if n := b.number(t, "select count(*) from mms_log"); n != 2 {
		t.Fatalf("%d rows, want 2", n)
	}
	now = now.Add(132 * 24 * time.Hour) // a whole month later than the age of the old message needs
	must(t, b.log.Retain(t.Context()))
	must(t, b.log.Retain(t.Context()))
	for _, table := range []string{"mms_log", "mms_log_event"} {
		if n := b.number(t, "select count(*) from "+table); n != 1 {
			t.Errorf("%d rows in %s, want 1", n, table)
		}
		name := table + "_" + old.ID.Created().Format("2006_01")
		if n := b.number(t, "select count(*) from pg_class where relname = $1", name); n != 0 {
			t.Errorf("%s is left", name)
		}
	}
}

// Actions of operators are logged once, also when the writer is interrupted.
func TestAudit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann := operator.New(b.rdb, "ann", operator.FromCtl).Logged(true)
	must(t, ann.Record(t.Context(), operator.Change{Action: operator.ActionRateSet, Target: "account", Reason: "more", After: 25}))
	waiting := b.rdb.LRange(t.Context(), operator.UnloggedKey, 0, -1).Val()
	if len(waiting) != 1 {
		t.Fatalf("waiting: %v", waiting)
	}
	must(t, b.log.WriteAudit(t.Context(), waiting[0])) // and ended before it was removed from the list
	b.round(t)
	if n := b.number(t, `select count(*) from mms_audit where actor = 'ann' and origin = 'mmsctl' and action = 'rate.set' and after = '25'
		and before is null and reason = 'more'`); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
	if n := b.rdb.LLen(t.Context(), operator.UnloggedKey).Val(); n != 0 {
		t.Errorf("%d actions wait", n)
	}
}

// The counts of a day are copied.
func TestUsage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.accept(t)
	b.accept(t)
	b.step(t, m.ID, (*message.Message).Cancel)
	b.round(t)
	if n := b.number(t, "select count(*) from mms_usage_daily where tenant = 'shop' and kind = 'live' and accepted = 2 and canceled = 1"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

// The counts are those of every scope that had traffic: also of one whose messages
// another writer has handled, which died before it copied their counts, and of one that
// had only duplicates.
func TestUsageOfEveryScope(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.accept(t)
	b.round(t) // the first writer copies, and not again within the minute
	other := message.Scope{Tenant: "other", Test: true}
	b.accept(t, func(r *ledger.Request) { r.Scope = other })
	must(t, b.ledger.CountDuplicate(t.Context(), message.Scope{Tenant: "third"}))
	if n := b.round(t); n != 1 {
		t.Fatalf("the first writer has handled %d messages, want 1", n)
	}
	if n := b.number(t, "select count(*) from mms_usage_daily"); n != 1 {
		t.Fatalf("%d rows before the second writer, want 1", n)
	}
	_, err := b.newWriter().Round(t.Context())
	must(t, err)
	if n := b.number(t, `select count(*) from mms_usage_daily where tenant = 'shop' and kind = 'live' and accepted = 1
		or tenant = 'other' and kind = 'test' and accepted = 1 or tenant = 'third' and duplicates = 1`); n != 3 {
		t.Errorf("%d rows are right, want 3", n)
	}
}

// An inbound message is logged once.
func TestInbound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := messagelog.Inbound{ID: "inb_1", From: recipient, To: sender, Text: "STOP", Keyword: "stop", ReceivedAt: time.Now()}
	must(t, b.log.WriteInbound(t.Context(), in))
	must(t, b.log.WriteInbound(t.Context(), in))
	if n := b.number(t, "select count(*) from mms_inbound where recipient = $1 and keyword = 'stop'", recipient); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

// Partitions are made two months ahead, by one of all processes.
func TestKeepHouse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for range 2 {
		w := b.newWriter()
		running.Go(func() { w.KeepHouse(ctx) })
	}
	await(t, func() bool {
		return b.number(t, "select count(*) from pg_inherits where inhparent in ('mms_log'::regclass, 'mms_log_event'::regclass)") == 6
	})
	stop()
	running.Wait()
}
