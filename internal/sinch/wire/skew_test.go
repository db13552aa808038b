package wire_test

import (
	"net/http"
	"testing"
	"time"

	"mmsdispatch/internal/sinch/wire"
)

func TestSkew(t *testing.T) {
	t.Parallel()
	sent := time.Date(2026, 11, 1, 10, 0, 0, 900e6, time.UTC)
	for date, want := range map[string]time.Duration{
		"Sun, 01 Nov 2026 10:00:00 GMT": 0, // the same second
		"Sun, 01 Nov 2026 10:00:03 GMT": 0, // within the call
		"Sun, 01 Nov 2026 10:00:34 GMT": 30*time.Second + 100*time.Millisecond,
		"Sun, 01 Nov 2026 09:59:29 GMT": -30*time.Second - 900*time.Millisecond,
		"Sun Nov  1 10:01:03 2026":      59*time.Second + 100*time.Millisecond, // an older form (RFC 9110, 5.6.7)
		"2026-11-01T10:01:04Z":          0,
		"":                              0,
	} {
		r := wire.Response{Header: http.Header{"Date": {date}}, Sent: sent, Received: sent.Add(3 * time.Second)}
		if got := r.Skew(); got != want {
			t.Errorf("%s: %s, want %s", date, got, want)
		}
	}
}
