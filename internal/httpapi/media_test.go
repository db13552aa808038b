package httpapi_test

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

// fakeMedia has a result per URL, and records the URLs it checked.
type fakeMedia struct {
	mu       sync.Mutex
	wrong    map[string]string
	requests []string
}

func (f *fakeMedia) Check(_ context.Context, scope message.Scope, urls []string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	texts := make([]string, len(urls))
	if scope.Test {
		return texts
	}
	for i, url := range urls {
		f.requests = append(f.requests, url)
		texts[i] = f.wrong[url]
	}
	return texts
}

func (f *fakeMedia) turn(url, wrong string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrong[url] = wrong
}

func (f *fakeMedia) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.requests)
}

func withMedia(tb testing.TB) (*bundle, *fakeMedia) {
	tb.Helper()
	media := &fakeMedia{wrong: map[string]string{"https://e.com/bad": "media_type: bad", "https://e.com/big": "media_too_large: big"}}
	return setup(tb, func(o *httpapi.Options) { o.Media = media }), media
}

func TestBadMediaAreRefused(t *testing.T) {
	t.Parallel()
	b, media := withMedia(t)
	list := `{"to":"+12065551212","media":["https://e.com/big","https://e.com/good","https://e.com/bad"]}`
	single := `{"to":"+12065551212","mediaUrl":"https://e.com/bad"}`
	for _, path := range []string{"/v1/messages", "/send-mms", "/v1/messages?dryRun=true"} {
		p := b.do(t, post(path, single)).invalid(t)
		if !slices.Equal(p.fields(), []string{"mediaUrl invalid"}) || p.Errors[0].Message != "media_type: bad" {
			t.Errorf("%s: %+v", path, p)
		}
		if p := b.do(t, post(path, list)).invalid(t); !slices.Equal(p.fields(), []string{"media[0] invalid", "media[2] invalid"}) {
			t.Errorf("%s: %v", path, p.fields())
		}
	}
	if b.ledger.size() != 0 || b.metrics.get("message normal rejected") != 6 {
		t.Errorf("%d accepted, %d counted", b.ledger.size(), b.metrics.get("message normal rejected"))
	}
	b.do(t, post("/v1/messages", single).as(testKey)).ok(t, http.StatusAccepted)
	b.do(t, post("/v1/messages", `{"to":"+12065551212","mediaUrl":"https://e.com/good"}`)).ok(t, http.StatusAccepted)

	before := media.count()
	b.do(t, post("/v1/messages", `{"to":"911","mediaUrl":"https://e.com/bad"}`)).invalid(t)
	if media.count() != before {
		t.Error("media of a message that is refused anyway are fetched")
	}
}

// TestKnownMessageIsAnsweredWhateverItsMediaAre: a retry gets its 200.
func TestKnownMessageIsAnsweredWhateverItsMediaAre(t *testing.T) {
	t.Parallel()
	b, media := withMedia(t)
	body := `{"to":"+12065551212","mediaUrl":"https://e.com/a","clientReference":"order-1"}`
	b.do(t, post("/v1/messages", body)).ok(t, http.StatusAccepted)
	media.turn("https://e.com/a", "media_not_found: gone")
	b.do(t, post("/v1/messages", body)).ok(t, http.StatusOK)
	other := `{"to":"+12065551213","mediaUrl":"https://e.com/a","clientReference":"order-1"}`
	b.do(t, post("/v1/messages", other)).refused(t, http.StatusUnprocessableEntity, "client_reference_reused")
	if media.count() != 1 {
		t.Errorf("requests %v", media.requests)
	}
	b.ledger.fails(errRedis)
	b.do(t, post("/v1/messages", body)).refused(t, http.StatusServiceUnavailable, "unavailable")
}

// TestMediaOfBatchesAreTheWorkers: a request with a million rows does not wait
// for a million hosts.
func TestMediaOfBatchesAreTheWorkers(t *testing.T) {
	t.Parallel()
	media := &fakeMedia{wrong: map[string]string{"https://e.com/bad": "media_type: bad"}}
	l, err := ledger.New(redistest.Shared(t).Client(t), ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	b := setup(t, func(o *httpapi.Options) { o.Media, o.Ledger, o.Batches = media, l, l })
	b.do(t, post("/v1/batches", `{"messages":[{"to":"+12065551212","mediaUrl":"https://e.com/bad"}]}`)).ok(t, http.StatusAccepted)
	if media.count() != 0 {
		t.Error("they got requests")
	}
}
