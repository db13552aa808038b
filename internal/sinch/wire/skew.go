package wire

import (
	"net/http"
	"time"
)

// Skew is how far the clock of the answering server is ahead of the client's,
// negative when it is behind: by its Date (RFC 9110, 6.6.1), which has whole
// seconds, and as far as the time that the call took does not explain it. It is
// zero without a readable Date.
func (r Response) Skew() time.Duration {
	date, err := http.ParseTime(r.Header.Get("Date"))
	switch {
	case err != nil:
		return 0
	case date.After(r.Received):
		return date.Sub(r.Received)
	case date.Add(time.Second).Before(r.Sent):
		return date.Add(time.Second).Sub(r.Sent)
	default:
		return 0
	}
}
