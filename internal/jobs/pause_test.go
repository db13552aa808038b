package jobs

import (
	"strconv"
	"testing"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/pause"
)

// pauses keeps messages queued until the test ends the pause.
func (b *bench) pause(t *testing.T, scope pause.Scope) pause.Pause {
	t.Helper()
	p := pause.Pause{Scope: scope, Reason: "test", Actor: "test", Since: time.Now()}
	if err := pause.NewStore(b.rdb).Put(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return p
}

func (b *bench) resume(t *testing.T, p pause.Pause) {
	t.Helper()
	if err := pause.NewStore(b.rdb).Remove(t.Context(), p.Key()); err != nil {
		t.Fatal(err)
	}
}

// parked is how many tasks a pause has parked.
func (b *bench) parked(t *testing.T, p pause.Pause) int64 {
	t.Helper()
	n, err := b.rdb.ZCard(t.Context(), "mms:{m}:parked:"+string(p.Key())).Result()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		<-tick.C
	}
}

// TestPausedScopeWaitsAndOthersGo: messages of a paused scope are parked and use no
// try, those around them are sent, and after the pause each is sent once.
func TestPausedScopeWaitsAndOthersGo(t *testing.T) {
	t.Parallel()
	must := func(s pause.Scope, err error) pause.Scope {
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, c := range map[string]struct {
		scope pause.Scope
		hit   func(*message.Content)
	}{
		"all":    {scope: pause.All},
		"lane":   {scope: must(pause.Lane("bulk")), hit: func(c *message.Content) { c.Priority = message.Bulk }},
		"sender": {scope: must(pause.Sender("12065550000"))},
		"tenant": {scope: must(pause.Tenant("shop"))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			p := b.pause(t, c.scope)
			b.run(t)
			var waits []*message.Message
			for range 20 {
				m := b.accept(t, func(content *message.Content) {
					if c.hit != nil {
						c.hit(content)
					}
				})
				b.dispatch(t, m)
				waits = append(waits, m)
			}
			if name == "lane" {
				other := b.accept(t)
				b.dispatch(t, other)
				b.await(t, other.ID, message.StatusSent)
			}
			until(t, "all are parked", func() bool { return b.parked(t, p) == int64(len(waits)) })
			for _, m := range waits {
				if got := b.await(t, m.ID, message.StatusQueued); got.Attempts != 0 || got.Tries != 0 || b.sinch.count(m.ID) != 0 {
					t.Errorf("a paused message was tried: %+v", got)
				}
			}
			b.resume(t, p)
			for _, m := range waits {
				if got := b.await(t, m.ID, message.StatusSent); got.Attempts != 1 || b.sinch.count(m.ID) != 1 {
					t.Errorf("sent %d times", b.sinch.count(m.ID))
				}
			}
			until(t, "nothing is parked", func() bool {
				n, err := b.rdb.Exists(t.Context(), "mms:{m}:parked").Result()
				return err == nil && n == 0
			})
			if n := b.metrics.of("task_missing"); n != 0 {
				t.Errorf("%d parked tasks counted as missing", n)
			}
		})
	}
}

// TestPausedBatchTakesRows: each side resumes its own pause of a batch, which takes
// rows all the while, and no other batch waits.
func TestPausedBatchTakesRows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(t)
	batch := b.openBatch(t)
	scope, err := pause.Batch(string(batch.ID))
	if err != nil {
		t.Fatal(err)
	}
	p := b.pause(t, scope)
	own := p
	own.Own = true
	if err := pause.NewStore(b.rdb).Put(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	rows := b.acceptRows(t, batch, 30)
	others := b.acceptRows(t, b.openBatch(t), 5)
	for _, m := range others {
		b.await(t, m.ID, message.StatusSent)
	}
	until(t, "all rows are parked", func() bool { return b.parked(t, p)+b.parked(t, own) == int64(len(rows)) })
	b.resume(t, own)
	rows = append(rows, b.acceptRows(t, batch, 3)...)
	until(t, "all rows are parked by the other pause", func() bool { return b.parked(t, p) == int64(len(rows)) })
	b.resume(t, p)
	for _, m := range rows {
		if b.await(t, m.ID, message.StatusSent); b.sinch.count(m.ID) != 1 {
			t.Errorf("sent %d times", b.sinch.count(m.ID))
		}
	}
}

// TestCanceledBatchEndsItsPause: nothing of a canceled batch can be resumed.
func TestCanceledBatchEndsItsPause(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(t)
	batch := b.openBatch(t)
	scope, err := pause.Batch(string(batch.ID))
	if err != nil {
		t.Fatal(err)
	}
	p := b.pause(t, scope)
	rows := b.acceptRows(t, batch, 3)
	until(t, "all rows are parked", func() bool { return b.parked(t, p) == int64(len(rows)) })
	if _, err := b.ledger.CancelBatch(t.Context(), batch.Scope, batch.ID); err != nil {
		t.Fatal(err)
	}
	until(t, "the pause ends", func() bool {
		set, err := pause.NewStore(b.rdb).Read(t.Context())
		return err == nil && len(set) == 0 && b.parked(t, p) == 0
	})
	for _, m := range rows {
		b.await(t, m.ID, message.StatusCanceled)
	}
}

func (b *bench) openBatch(t *testing.T) ledger.Batch {
	t.Helper()
	batch, _, err := b.ledger.OpenBatch(t.Context(), ledger.BatchRequest{
		Scope: message.Scope{Tenant: "shop"}, Now: time.Now().UTC().Truncate(time.Millisecond),
	})
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

func (b *bench) acceptRows(t *testing.T, batch ledger.Batch, n int) []*message.Message {
	t.Helper()
	rows := make([]ledger.Row, n)
	for i := range rows {
		rows[i] = ledger.Row{
			Content: message.Content{To: "+12065551212", Text: strconv.Itoa(i), Media: []string{"https://example.com/a.jpg"}, Priority: message.Bulk},
			From:    "+12065550000",
		}
	}
	results, err := b.ledger.AcceptRows(t.Context(), batch, rows)
	if err != nil {
		t.Fatal(err)
	}
	accepted := make([]*message.Message, n)
	for i, r := range results {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		accepted[i] = r.Message
	}
	if err := b.queue.DispatchMany(t.Context(), accepted); err != nil {
		t.Fatal(err)
	}
	return accepted
}
