package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// pagesOf follows the cursors of a list to its end, and returns how often each id
// was shown and the messages on each page.
func pagesOf(t *testing.T, b *bundle, path string) (shown map[any]int, pages []int) {
	t.Helper()
	shown = make(map[any]int)
	for cursor := ""; ; {
		body := b.do(t, get(path+cursor)).ok(t, http.StatusOK)
		data, _ := body["data"].([]any)
		for _, one := range data {
			m, _ := one.(map[string]any)
			shown[m["id"]]++
		}
		pages = append(pages, len(data))
		next, more := body["nextCursor"].(string)
		if !more {
			return shown, pages
		}
		cursor = "&cursor=" + next
	}
}

// heavyBody is a message of nearly 60 KB.
func heavyBody() string {
	var pairs []string
	for n := range 20 {
		pairs = append(pairs, fmt.Sprintf(`"key-%02d":"`, n)+strings.Repeat("\U0001f600", 500)+`"`)
	}
	return messageBody(`"text":"` + strings.Repeat("\u5b57", 4800) + `","metadata":{` + strings.Join(pairs, ",") + `}`)
}

// TestAPageOfLargeMessagesEndsEarly: a page of large messages ends before its
// limit, and its cursor continues with the next message. The default limit fits.
func TestAPageOfLargeMessagesEndsEarly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const messages, most = 90, 5 << 20
	for range messages {
		b.do(t, post("/v1/messages", heavyBody())).ok(t, http.StatusAccepted)
	}
	if got := b.do(t, get("/v1/messages?limit=200")); len(got.body) > most {
		t.Errorf("a page of %d bytes", len(got.body))
	}
	shown, pages := pagesOf(t, b, "/v1/messages?limit=200")
	for id, times := range shown {
		if times != 1 {
			t.Errorf("%v is shown %d times", id, times)
		}
	}
	if len(shown) != messages || len(pages) < 2 {
		t.Errorf("%d messages on pages of %v", len(shown), pages)
	}
	if refs, _ := listed(t, b, ""); len(refs) != 50 {
		t.Errorf("%d messages on a page of the default limit", len(refs))
	}
}

// TestAPageEndsWhenItsTimeIsUp: however few messages match, a page ends in time,
// and the cursors of such pages lead to every match once; also in a batch.
func TestAPageEndsWhenItsTimeIsUp(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0, func(o *httpapi.Options) { o.ListTime = time.Nanosecond })
	const rows = 30
	row := `{"to":"+12065551212","mediaUrl":"https://example.com/a.jpg"}` + "\n"
	batch := b.do(t, stream(ndjson, "", strings.Repeat(row, rows))).ok(t, http.StatusAccepted)["id"]
	all, _ := pagesOf(t, b, fmt.Sprintf("/v1/messages?batchId=%v", batch))
	if len(all) != rows {
		t.Fatalf("%d messages in the batch, want %d", len(all), rows)
	}
	want, n := make(map[any]bool), 0
	for id := range all {
		if n++; n%10 == 0 {
			b.do(t, post(fmt.Sprintf("/v1/messages/%v/cancel", id), "")).ok(t, http.StatusOK)
			want[id] = true
		}
	}
	for _, path := range []string{fmt.Sprintf("/v1/messages?batchId=%v&status=canceled", batch), "/v1/messages?status=canceled"} {
		shown, pages := pagesOf(t, b, path)
		for id := range want {
			if shown[id] != 1 {
				t.Errorf("%s: %v is shown %d times", path, id, shown[id])
			}
		}
		empty := 0
		for _, length := range pages {
			if length == 0 {
				empty++
			}
		}
		if len(shown) != len(want) || empty == 0 {
			t.Errorf("%s: %d messages, want %d, on pages of %v", path, len(shown), len(want), pages)
		}
	}
}

// heldLists holds the lists of one tenant until release is closed.
type heldLists struct {
	*fakeLedger

	tenant  string
	entered atomic.Int64
	first   chan struct{}
	release chan struct{}
}

func (l *heldLists) Recent(ctx context.Context, scope message.Scope, r ledger.Range, yield ledger.Yield) (bool, error) {
	if scope.Tenant == l.tenant {
		if l.entered.Add(1) == 1 {
			close(l.first)
		}
		<-l.release
	}
	return l.fakeLedger.Recent(ctx, scope, r, yield)
}

// TestListsOfOneTenantLeaveRoom: the lists of one tenant wait for one another, and
// not those of another tenant for them.
func TestListsOfOneTenantLeaveRoom(t *testing.T) {
	t.Parallel()
	lists := &heldLists{tenant: "shop", first: make(chan struct{}), release: make(chan struct{})}
	b := setup(t, func(o *httpapi.Options) {
		lists.fakeLedger, _ = o.Ledger.(*fakeLedger)
		o.Ledger = lists
	})
	const callers = 64
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			if got := b.do(t, get("/v1/messages")); got.status != http.StatusOK && got.status != http.StatusServiceUnavailable {
				t.Errorf("a list that waits: %d %s", got.status, got.body)
			}
		})
	}
	<-lists.first
	b.do(t, get("/v1/messages").as(otherKey)).ok(t, http.StatusOK)
	if n := lists.entered.Load(); n > callers/2 {
		t.Errorf("%d lists of one tenant run at the same time", n)
	}
	close(lists.release)
	all.Wait()
}
