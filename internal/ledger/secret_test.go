package ledger_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

// hook sends pipelines its own way.
type hook func(cmds []redis.Cmder, send func([]redis.Cmder) error) error

func (hook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return next(ctx, cmd) }
}

func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return h(cmds, func(some []redis.Cmder) error { return next(ctx, some) })
	}
}

// cut has something happen between the first command of a pipeline and the
// others, once.
func cut(between func()) hook {
	return func(cmds []redis.Cmder, send func([]redis.Cmder) error) error {
		if between == nil {
			return send(cmds)
		}
		first := send(cmds[:1])
		between()
		between = nil
		return errors.Join(first, send(cmds[1:]))
	}
}

// twice sends each command again, as the client does when a reply is missing.
func twice(cmds []redis.Cmder, send func([]redis.Cmder) error) error {
	return errors.Join(send(cmds), send(cmds))
}

// another is a second process with the same Redis, as empty of knowledge as one
// that has just started.
func another(t *testing.T, rdb *redis.Client) *ledger.Ledger {
	t.Helper()
	l, err := ledger.New(rdb, ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// emptied is a ledger that knows the secret of a Redis which was emptied since,
// and where another process has made a new one.
func emptied(t *testing.T) (l, other *ledger.Ledger) {
	t.Helper()
	l, rdb := newLedger(t, ledger.Options{})
	accept(t, l, request(""))
	if err := rdb.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	other = another(t, rdb)
	accept(t, other, request(""))
	return l, other
}

func TestMessageIsFoundUnderANewSecret(t *testing.T) {
	t.Parallel()
	l, other := emptied(t)
	m := accept(t, other, request("order-1"))
	found, err := l.ByReference(t.Context(), m.Scope, "order-1")
	if err != nil || found.ID != m.ID {
		t.Fatalf("%+v, %v", found, err)
	}
	if _, err := l.ByReference(t.Context(), m.Scope, "order-2"); !errors.Is(err, ledger.ErrNotFound) {
		t.Fatalf("an unknown reference: %v", err)
	}
}

func TestBatchIsFoundUnderANewSecret(t *testing.T) {
	t.Parallel()
	l, other := emptied(t)
	b, _ := openBatch(t, other, "campaign", "digest")
	found, err := l.FindBatch(t.Context(), b.Scope, "campaign")
	if err != nil || found.ID != b.ID {
		t.Fatalf("%+v, %v", found, err)
	}
}

func TestBatchIsOpenedUnderANewSecret(t *testing.T) {
	t.Parallel()
	l, other := emptied(t)
	b, known := openBatch(t, l, "campaign", "digest")
	if again, found := openBatch(t, other, "campaign", "digest"); known || !found || again.ID != b.ID {
		t.Fatalf("known %v, then %v, %s and %s", known, found, b.ID, again.ID)
	}
}

func TestMessageIsAcceptedOnceUnderANewSecret(t *testing.T) {
	t.Parallel()
	l, other := emptied(t)
	m := accept(t, other, request("order-1"))
	if a, err := l.Accept(t.Context(), request("order-1")); err != nil || !a.Duplicate || a.Message.ID != m.ID {
		t.Fatalf("%+v, %v", a, err)
	}
}

// Nothing is written into a batch that was opened before Redis was emptied.
func TestBatchBeginsAnewWhenRedisWasEmptied(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	b, _ := openBatch(t, l, "campaign", "")
	acceptRows(t, l, b, rows(10, ""))
	if err := rdb.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.AcceptRows(t.Context(), b, rows(20, "")[10:]); !errors.Is(err, ledger.ErrUnavailable) {
		t.Fatalf("rows of a batch that is gone: %v", err)
	}
	b, known := openBatch(t, l, "campaign", "")
	if accepted, _, _ := acceptRows(t, l, b, rows(20, "")); known || accepted != 20 {
		t.Fatalf("known %v, %d of 20 accepted", known, accepted)
	}
}

// The answer for one group does not cause another group's rows to be written twice.
func TestRowsAreWrittenOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, between func(*testing.T, *redis.Client)
	}{
		"Redis loads the script again": {
			before: func(t *testing.T, rdb *redis.Client) {
				t.Helper()
				if err := rdb.ScriptFlush(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
			},
			between: func(t *testing.T, rdb *redis.Client) {
				t.Helper()
				accept(t, another(t, rdb), request("other"))
			},
		},
		"the secret changes": {
			before: func(*testing.T, *redis.Client) {},
			between: func(t *testing.T, rdb *redis.Client) {
				t.Helper()
				if err := rdb.Set(t.Context(), "mms:{m}:secret", "another secret", 0).Err(); err != nil {
					t.Fatal(err)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t) // which knows scripts of this test alone
			rdb, others := server.Client(t), server.Client(t)
			l := another(t, rdb)
			b, _ := openBatch(t, l, "", "")
			acceptRows(t, l, b, rows(1, "first"))
			c.before(t, others)
			rdb.AddHook(cut(func() { c.between(t, others) }))
			accepted, duplicates, errs := acceptRows(t, l, b, rows(120, "r"))
			if accepted != 120 || duplicates > 0 || len(errs) > 0 {
				t.Errorf("%d accepted, %d duplicates, %v", accepted, duplicates, errs)
			}
			got, err := l.GetBatch(t.Context(), b.Scope, b.ID)
			if err != nil || got.Total != 121 || got.Counts[message.StatusQueued] != 121 {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// Rows that are written again under the same operation are no duplicates.
func TestRepeatedWriteIsKnownAgain(t *testing.T) {
	t.Parallel()
	l, rdb := newLedger(t, ledger.Options{})
	b, _ := openBatch(t, l, "", "")
	rdb.AddHook(hook(twice))
	accepted, duplicates, errs := acceptRows(t, l, b, rows(120, "r"))
	if accepted != 120 || duplicates > 0 || len(errs) > 0 {
		t.Errorf("%d accepted, %d duplicates, %v", accepted, duplicates, errs)
	}
	if got, err := l.GetBatch(t.Context(), b.Scope, b.ID); err != nil || got.Total != 120 {
		t.Errorf("%+v, %v", got, err)
	}
}
