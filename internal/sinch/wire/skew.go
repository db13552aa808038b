package wire

import (
	"net/http"
	"time"
)

// Skew is the server's clock minus the client's, by its Date header (RFC 9110,
// 6.6.1), which has whole seconds, less the part that the duration of the call can
// explain. It is zero without a valid Date.
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
