package wire_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/wire"
)

// A status that was read is kept even if the body is cut off.
func TestBodyThatIsNotWhole(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"cut off":  "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{\"id\":",
		"too long": "HTTP/1.1 201 Created\r\nContent-Length: 2097152\r\n\r\n" + strings.Repeat(" ", 2<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := listen(t, func(p *peer, c net.Conn) {
				if _, err := p.readRequest(bufio.NewReader(c)); err == nil {
					_, _ = io.WriteString(c, answer)
				}
			})
			res, err := client(t, wire.Options{}).Do(t.Context(), call(p.url(), "x"))
			if err != nil || res.Status != http.StatusCreated || !res.Partial || len(res.Body) != 0 {
				t.Errorf("status %d, partial %t, %d bytes, %v", res.Status, res.Partial, len(res.Body), err)
			}
			if o := wire.Unreadable(res); o.Kind != sinch.Unknown {
				t.Errorf("outcome %+v, want unknown", o)
			}
		})
	}
}

// No error contains a URL or a key.
func TestErrorsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	hangs := listen(t, hang)
	resets := listen(t, func(p *peer, c net.Conn) {
		_, _ = p.readRequest(bufio.NewReader(c))
		reset(c)
	})
	proxy := &url.URL{Scheme: "http", User: url.UserPassword("proxy-user", "proxy-secret"), Host: "127.0.0.1:1"}
	for name, tc := range map[string]struct {
		url   string
		proxy *url.URL
	}{
		"timeout":    {hangs.url() + "/path-secret?token=query-secret", nil},
		"reset":      {resets.url() + "/path-secret?token=query-secret", nil},
		"refused":    {"http://127.0.0.1:1/path-secret?token=query-secret", nil},
		"unreadable": {"http://user:pass-secret@127.0.0.1:bad/?token=query-secret", nil},
		"bad escape": {"http://127.0.0.1/%zz?token=query-secret", nil},
		"proxy":      {"https://host-secret.invalid/path-secret", proxy},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := call(tc.url, `{"text":"body-secret","to":"+12065551212"}`)
			r.Deadline = time.Now().Add(brief)
			c := client(t, wire.Options{Proxy: func(*http.Request) (*url.URL, error) { return tc.proxy, nil }})
			_, err := c.Do(t.Context(), r)
			if err == nil {
				t.Fatal("no error")
			}
			text := wire.Failure(err).Detail
			for e := err; e != nil; e = errors.Unwrap(e) {
				text += fmt.Sprintf(" %v %+v %#v", e, e, e)
			}
			for _, secret := range []string{"secret", "token", "127.0.0.1", "proxy-user", "2065551212"} {
				if strings.Contains(text, secret) {
					t.Errorf("%q is in %s", secret, text)
				}
			}
		})
	}
}

func TestFailure(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		kind sinch.OutcomeKind
		code sinch.ReasonCode
		text string
	}{
		"not sent":  {&wire.NotSentError{Cause: wire.CauseRefused}, sinch.NotSent, sinch.ReasonInternal, "connection refused"},
		"wrapped":   {fmt.Errorf("call: %w", &wire.NotSentError{Cause: wire.CauseTooLate}), sinch.NotSent, sinch.ReasonInternal, "its time was over"},
		"unknown":   {&wire.UnknownError{Cause: wire.CauseReset}, sinch.Unknown, sinch.ReasonUnknownOutcome, "connection reset"},
		"any other": {io.ErrClosedPipe, sinch.Unknown, sinch.ReasonUnknownOutcome, "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if o := wire.Failure(tc.err); o.Kind != tc.kind || o.Code != tc.code || o.SinchCode != "" || o.Detail != tc.text {
				t.Errorf("outcome %+v, want detail %q", o, tc.text)
			}
		})
	}
}

func TestByStatus(t *testing.T) {
	t.Parallel()
	kinds := map[int]sinch.OutcomeKind{
		http.StatusUnauthorized: sinch.Account, http.StatusForbidden: sinch.Account, http.StatusNotFound: sinch.Account,
		http.StatusMethodNotAllowed: sinch.NotSent, http.StatusUnsupportedMediaType: sinch.NotSent,
		http.StatusTooManyRequests: sinch.Throttled,
	}
	reasons := map[sinch.OutcomeKind]sinch.ReasonCode{
		sinch.Account: sinch.ReasonAccount, sinch.NotSent: sinch.ReasonInternal,
		sinch.Throttled: sinch.ReasonThrottled, sinch.Unknown: sinch.ReasonUnknownOutcome,
	}
	for status := 100; status < 600; status++ {
		want, listed := kinds[status]
		if !listed {
			want = sinch.Unknown
		}
		o := wire.ByStatus(wire.Response{Status: status}, time.Now())
		if o.Kind != want || o.Code != reasons[want] {
			t.Errorf("%d: %+v, want %s", status, o, want)
		}
		if o.SinchCode != "" || !strings.Contains(o.Detail, fmt.Sprint(status)) {
			t.Errorf("%d: sinch code %q, detail %q: a status is not a code", status, o.SinchCode, o.Detail)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"7":                              7 * time.Second,
		" 7 ":                            7 * time.Second,
		"-7":                             0,
		"1.5":                            0,
		"soon":                           0,
		"3600":                           time.Hour,
		"3601":                           time.Hour,
		"99999999999999999999999":        time.Hour,
		"Sun, 01 Nov 2026 10:00:30 GMT":  30 * time.Second,
		"Sunday, 01-Nov-26 10:01:00 GMT": time.Minute,
		"Sun, 01 Nov 2026 09:00:00 GMT":  0,
		"Mon, 02 Nov 2026 10:00:00 GMT":  time.Hour,
		"2026-11-01T10:00:30Z":           0,
	} {
		r := wire.Response{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {value}}}
		if got := wire.ByStatus(r, now).RetryAfter; got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}
