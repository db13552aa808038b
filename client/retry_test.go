package client

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"mmsdispatch/client/openapi"
)

// TestWhatIsRepeated: a message by its reference, everything else only when the
// service has not executed it, or when executing it twice changes nothing.
func TestWhatIsRepeated(t *testing.T) {
	t.Parallel()
	problem := func(status int, after string) response {
		return response{status: status, header: map[string]string{"Retry-After": after}, body: `{"code":"x","status":429}`}
	}
	send := func(ctx context.Context, c *Client) error {
		_, err := c.Send(ctx, MessageRequest{To: "+12065551212", MediaURL: "https://e.com/a.jpg"})
		return err
	}
	get := func(ctx context.Context, c *Client) error { _, err := c.Get(ctx, "msg_1"); return err }
	cancel := func(ctx context.Context, c *Client) error { _, err := c.Cancel(ctx, "msg_1"); return err }
	replay := func(ctx context.Context, c *Client) error {
		_, err := c.Replay(ctx, "msg_1", openapi.ReplayRequest{})
		return err
	}
	batch := func(ctx context.Context, c *Client) error {
		_, err := c.SendBatch(ctx, BatchRequest{Messages: []BatchItem{{To: "+12065551212"}}})
		return err
	}
	for name, c := range map[string]struct {
		run   func(context.Context, *Client) error
		first response
		again bool
	}{
		"send, broken connection":   {send, response{err: errReset}, true},
		"send, no connection":       {send, response{err: errRefused}, true},
		"send, rate limit":          {send, problem(429, "1"), true},
		"send, storage away":        {send, problem(503, "1"), true},
		"send, bad gateway":         {send, problem(502, ""), true},
		"send, gateway timeout":     {send, problem(504, ""), true},
		"send, refused":             {send, problem(400, ""), false},
		"send, fault":               {send, problem(500, ""), false},
		"batch, broken connection":  {batch, response{err: errReset}, true},
		"get, broken connection":    {get, response{err: errReset}, true},
		"cancel, broken connection": {cancel, response{err: errReset}, true},
		"replay, broken connection": {replay, response{err: errReset}, false},
		"replay, no connection":     {replay, response{err: errRefused}, true},
		"replay, storage away":      {replay, problem(503, "1"), false},
		"replay, rate limit":        {replay, problem(429, "1"), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, service := of(t, Options{}, c.first, response{status: 200, body: queued})
				err := c.run(t.Context(), client)
				if (err == nil) != c.again || (len(service.requests) == 2) != c.again {
					t.Fatalf("%d requests, error %v", len(service.requests), err)
				}
				if c.again && service.requests[0].body != service.requests[1].body {
					t.Errorf("the body %q became %q", service.requests[0].body, service.requests[1].body)
				}
			})
		})
	}
}

// TestPausesGrowAndEnd: they double from Backoff to BackoffMax, half of each is
// random, and the last problem is what the caller gets.
func TestPausesGrowAndEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		away := response{status: http.StatusServiceUnavailable, body: `{"code":"unavailable","status":503}`}
		c, service := of(t, Options{Retries: 4, Backoff: time.Second, BackoffMax: 3 * time.Second}, away, away, away, away, away)
		_, err := c.Get(t.Context(), "msg_1")
		if !HasCode(err, openapi.ProblemCodeUnavailable) || len(service.requests) != 5 {
			t.Fatalf("%d requests, error %v", len(service.requests), err)
		}
		for i, longest := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second} {
			if waited := service.requests[i+1].at.Sub(service.requests[i].at); waited < longest/2 || waited > longest {
				t.Errorf("pause %d is %s", i, waited)
			}
		}
	})
}

// TestRetryAfterIsHonoured: in seconds and as a date, up to RetryAfterMax.
func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	limited := func(after string) response {
		return response{status: 429, header: map[string]string{"Retry-After": after}, body: `{"code":"quota_exceeded","status":429}`}
	}
	for name, after := range map[string]func() string{
		"seconds": func() string { return "20" },
		"date":    func() string { return time.Now().Add(20 * time.Second).UTC().Format(http.TimeFormat) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, service := of(t, Options{}, limited(after()), response{status: 200, body: queued})
				if _, err := c.Get(t.Context(), "msg_1"); err != nil {
					t.Fatal(err)
				}
				if waited := service.requests[1].at.Sub(service.requests[0].at); waited < 20*time.Second || waited > 21*time.Second {
					t.Errorf("repeated after %s", waited)
				}
			})
		})
	}
	t.Run("too long", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, service := of(t, Options{}, limited("3600"))
			_, err := c.Get(t.Context(), "msg_1")
			problem, ok := errors.AsType[*Error](err)
			if !ok || problem.RetryAfter != time.Hour || len(service.requests) != 1 {
				t.Errorf("%d requests, error %v", len(service.requests), err)
			}
		})
	})
}

// TestContextEndsRetries: at once when it has ended, and before a pause that it
// does not outlast, so that the caller sees the problem.
func TestContextEndsRetries(t *testing.T) {
	t.Parallel()
	away := response{status: 503, header: map[string]string{"Retry-After": "30"}, body: `{"code":"unavailable","status":503}`}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		c, service := of(t, Options{}, away)
		begun := time.Now()
		if _, err := c.Get(ctx, "msg_1"); !HasCode(err, openapi.ProblemCodeUnavailable) || len(service.requests) != 1 || time.Since(begun) != 0 {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		c, _ := of(t, Options{}, away)
		stopped := errors.New("stopped")
		time.AfterFunc(time.Second, func() { cancel(stopped) })
		if _, err := c.Get(ctx, "msg_1"); !errors.Is(err, stopped) {
			t.Error(err)
		}
	})
}

// TestNoRetries: a negative number is none.
func TestNoRetries(t *testing.T) {
	t.Parallel()
	c, service := of(t, Options{Retries: -1}, response{err: errRefused})
	if _, err := c.Get(t.Context(), "msg_1"); err == nil || len(service.requests) != 1 {
		t.Errorf("%d requests, error %v", len(service.requests), err)
	}
}
