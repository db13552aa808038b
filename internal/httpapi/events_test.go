package httpapi_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/callback"
	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/redistest"
)

func TestEventsAreStreamed(t *testing.T) {
	t.Parallel()
	rdb := redistest.Shared(t).Client(t)
	store, err := callback.NewStore(rdb, time.Now, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	streams := callback.NewStreams(rdb, store, callback.NewScopes(rdb))
	if err := streams.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := setup(t, func(o *httpapi.Options) { o.Callbacks, o.Events = store, streams })
	t.Cleanup(func() { streams.Stop(context.WithoutCancel(t.Context())) })
	b.do(t, get("/v1/events?lastEventId=1-1")).refused(t, http.StatusGone, "cursor_expired")
	for _, query := range []string{"?lastEventId=x", "?types=test", "?types=", "?x=1"} {
		b.do(t, get("/v1/events"+query)).invalid(t)
	}
	if got := b.do(t, head("/v1/events")); got.status != http.StatusOK || got.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %d %v", got.status, got.header)
	}

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/v1/events?types=message.sent", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+liveKey)
	response, err := b.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	for _, event := range []string{"message.queued", "message.sent"} {
		args := []any{"XADD", "mms:{m}:events:shop:live", "*", "type", event, "data", `{"type":"` + event + `"}`}
		if err := rdb.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for lines := bufio.NewScanner(response.Body); len(got) < 3 && lines.Scan(); {
		if line := lines.Text(); line != "" && !strings.HasPrefix(line, ":") {
			got = append(got, line)
		}
	}
	if len(got) < 3 || !strings.HasPrefix(got[0], "id: ") || got[1] != "event: message.sent" || got[2] != `data: {"type":"message.sent"}` {
		t.Errorf("%q", got)
	}
}
