package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mmsdispatch/client/openapi"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]error{
		"127.0.0.1:3000": ErrBaseURL, "ftp://mms.example.com": ErrBaseURL, "https://": ErrBaseURL, "https://mms.example.com": ErrNoKey,
	} {
		if _, err := New(url, "", Options{}); !errors.Is(err, want) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestSendNamesAMessage: without a reference by one of its own, which stays the
// same while the request is repeated.
func TestSendNamesAMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		again := response{status: 200, header: map[string]string{"Idempotent-Replayed": "true"}, body: queued}
		c, service := of(t, Options{UserAgent: "shop/1"}, response{err: errReset}, again, again)
		got, err := c.Send(t.Context(), MessageRequest{To: "+12065551212", MediaURL: "https://e.com/a.jpg"})
		if err != nil || got.ID != "msg_1" || got.Status != openapi.StatusQueued || got.Duplicate {
			t.Fatalf("%+v, %v", got, err)
		}
		var first map[string]string
		if err := json.Unmarshal([]byte(service.requests[0].body), &first); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(first["clientReference"], "go-") || len(first) != 3 || service.requests[0].body != service.requests[1].body {
			t.Errorf("the requests are %+v", service.requests)
		}
		header := service.requests[1].header
		if service.requests[1].line != "POST /base/v1/messages" || header.Get("Authorization") != "Bearer mms_test_1" ||
			header.Get("User-Agent") != "shop/1" {
			t.Errorf("%s %v", service.requests[1].line, header)
		}
		if got, err = c.Send(t.Context(), MessageRequest{ClientReference: "order-1"}); err != nil || !got.Duplicate {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// TestRequests: each method sends its request.
func TestRequests(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for line, run := range map[string]func(context.Context, *Client) error{
		"POST /base/v1/messages?dryRun=true":    func(ctx context.Context, c *Client) error { _, err := c.DryRun(ctx, MessageRequest{}); return err },
		"GET /base/v1/messages/msg_1":           func(ctx context.Context, c *Client) error { _, err := c.Get(ctx, "msg_1"); return err },
		"POST /base/v1/messages/msg_1/cancel":   func(ctx context.Context, c *Client) error { _, err := c.Cancel(ctx, "msg_1"); return err },
		"DELETE /base/v1/messages/msg_1":        func(ctx context.Context, c *Client) error { return c.Erase(ctx, "msg_1", false) },
		"DELETE /base/v1/messages/m?force=true": func(ctx context.Context, c *Client) error { return c.Erase(ctx, "m", true) },
		"POST /base/v1/batches":                 func(ctx context.Context, c *Client) error { _, err := c.SendBatch(ctx, BatchRequest{}); return err },
		"GET /base/v1/batches/bat_1":            func(ctx context.Context, c *Client) error { _, err := c.GetBatch(ctx, "bat_1"); return err },
		"POST /base/v1/batches/bat_1/cancel":    func(ctx context.Context, c *Client) error { _, err := c.CancelBatch(ctx, "bat_1"); return err },
		"POST /base/v1/batches/bat_1/pause":     func(ctx context.Context, c *Client) error { _, err := c.PauseBatch(ctx, "bat_1"); return err },
		"POST /base/v1/batches/bat_1/resume":    func(ctx context.Context, c *Client) error { _, err := c.ResumeBatch(ctx, "bat_1"); return err },
		"GET /base/v1/replays/rpl_1":            func(ctx context.Context, c *Client) error { _, err := c.GetReplay(ctx, "rpl_1"); return err },
		"POST /base/v1/replays": func(ctx context.Context, c *Client) error {
			_, err := c.ReplayMany(ctx, openapi.ReplaysRequest{})
			return err
		},
		"PUT /base/v1/suppressions/+12065551212": func(ctx context.Context, c *Client) error {
			_, err := c.OptOut(ctx, "+12065551212", "", "asked")
			return err
		},
		"DELETE /base/v1/suppressions/+1?sender=72345": func(ctx context.Context, c *Client) error { return c.OptIn(ctx, "+1", "72345") },
		"PUT /base/v1/callback": func(ctx context.Context, c *Client) error {
			_, err := c.SetCallback(ctx, openapi.CallbackRequest{})
			return err
		},
		"POST /base/v1/media": func(ctx context.Context, c *Client) error {
			_, err := c.Upload(ctx, "image/gif", strings.NewReader("GIF"))
			return err
		},
		"GET /base/v1/usage?from=2026-03-01": func(ctx context.Context, c *Client) error { _, err := c.Usage(ctx, at, time.Time{}); return err },
		"GET /base/v1/messages?status=failed%2Cexpired&to=%2B12065551212&createdAfter=2026-03-01T12%3A00%3A00Z": func(ctx context.Context, c *Client) error {
			_, err := c.ListPage(ctx, Filter{
				Status: []Status{openapi.StatusFailed, openapi.StatusExpired}, To: "+12065551212", CreatedAfter: at,
			}, "")
			return err
		},
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			c, service := of(t, Options{}, response{status: 200, body: `{}`}, response{status: 404, body: `{"code":"not_found","detail":"none"}`})
			if err := run(t.Context(), c); err != nil || service.requests[0].line != line {
				t.Fatalf("%s: %v", service.requests[0].line, err)
			}
			if err := run(t.Context(), c); !HasCode(err, openapi.ProblemCodeNotFound) {
				t.Errorf("a problem is %v", err)
			}
		})
	}
}

func TestListGoesThroughThePages(t *testing.T) {
	t.Parallel()
	pages := func() []response {
		return []response{
			{status: 200, body: `{"data":[{"id":"msg_3"},{"id":"msg_2"}],"nextCursor":"abc","complete":false}`},
			{status: 200, body: `{"data":[],"nextCursor":"def","complete":false}`},
			{status: 200, body: `{"data":[{"id":"msg_1"}],"nextCursor":null,"complete":true}`},
		}
	}
	c, service := of(t, Options{}, pages()...)
	var ids []string
	for message, err := range c.List(t.Context(), Filter{BatchID: "bat_1"}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, message.ID)
	}
	if !slices.Equal(ids, []string{"msg_3", "msg_2", "msg_1"}) || service.requests[2].line != "GET /base/v1/messages?batchId=bat_1&cursor=def" {
		t.Errorf("%v, %s", ids, service.requests[2].line)
	}
	c, service = of(t, Options{}, pages()...)
	for _, err := range c.List(t.Context(), Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	if len(service.requests) != 1 {
		t.Errorf("%d requests after a break", len(service.requests))
	}
	c, _ = of(t, Options{}, pages()[0], response{status: 401})
	var last error
	for _, err := range c.List(t.Context(), Filter{}) {
		last = err
	}
	if problem, ok := errors.AsType[*Error](last); !ok || problem.StatusCode != http.StatusUnauthorized {
		t.Errorf("the list ended with %v", last)
	}
}

// TestWait: the caller sees each state once, and the last is final.
func TestWait(t *testing.T) {
	t.Parallel()
	state := func(status, at string) response {
		return response{status: 200, body: `{"id":"msg_1","status":"` + status + `","updatedAt":"2026-03-01T12:00:0` + at + `Z"}`}
	}
	states := []response{state("queued", "0"), state("queued", "0"), state("sending", "1"), {status: 503}, state("delivered", "2")}
	synctest.Test(t, func(t *testing.T) {
		c, _ := of(t, Options{}, states...)
		var seen []Status
		got, err := c.Wait(t.Context(), "msg_1", func(m *Message) error {
			seen = append(seen, m.Status)
			return nil
		})
		if err != nil || got.Status != openapi.StatusDelivered ||
			!slices.Equal(seen, []Status{openapi.StatusQueued, openapi.StatusSending, openapi.StatusDelivered}) {
			t.Errorf("%+v, %v, saw %v", got, err, seen)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c, _ := of(t, Options{}, states...)
		enough := errors.New("enough")
		got, err := c.Wait(t.Context(), "msg_1", func(*Message) error { return enough })
		if !errors.Is(err, enough) || got.Status != openapi.StatusQueued {
			t.Errorf("%+v, %v", got, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 9 {
			states = append([]response{state("queued", "0")}, states...)
		}
		c, _ = of(t, Options{}, states...)
		if got, err = c.Wait(ctx, "msg_1", nil); got == nil || !errors.Is(err, context.DeadlineExceeded) || got.Status != openapi.StatusQueued {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// TestErrorText: a line a field; and no error has the URL, whose query has numbers.
func TestErrorText(t *testing.T) {
	t.Parallel()
	c, _ := of(t, Options{Retries: -1}, response{status: 400, body: `{"code":"validation_failed","detail":"1 thing is wrong.","status":400,
		"errors":[{"field":"to","code":"invalid","message":"must be a number"},{"field":"","code":"required","message":"is empty"}]}`},
		response{err: errReset}, response{status: 502, body: "<html>"}, response{status: 200, body: "<html>"})
	ask := func() error { _, err := c.ListPage(t.Context(), Filter{To: "+12065551212"}, ""); return err }
	for _, want := range []string{
		"400 Bad Request (validation_failed): 1 thing is wrong.\n  to: must be a number\n  is empty",
		"no response: read tcp: connection reset by peer",
		"502 Bad Gateway",
		"read the response: invalid character '<' looking for beginning of value",
	} {
		if err := ask(); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
