package conversation

import (
	"testing"
	"time"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/sinchtest"
	"mmsdispatch/internal/sinch/wire"
)

// For every response: only 200 with an id is acceptance, only the answers
// documented as such count as not sent, and every field is bounded.
func FuzzRead(f *testing.F) {
	for _, status := range []int{200, 201, 302, 400, 401, 403, 404, 429, 500, 503} {
		f.Add(status, []byte(`{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT","details":[]}}`))
	}
	f.Add(200, []byte(`{"message_id":"01EQ","accepted_time":"2024-06-06T12:42:42.528Z"}`))
	f.Add(200, []byte(`{"message_id":7}`))
	f.Add(400, []byte(`{"type":"https://developers.sinch.com/docs/errors/registry/bad","status":400}`))
	f.Add(400, []byte(`{"type":"about:blank/"}`))
	f.Add(400, []byte(`{"error":"no","type":"x"}`))
	documented := map[int]bool{400: true, 401: true, 403: true, 404: true, 405: true, 415: true, 429: true}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		o := read(wire.Response{Status: status, Body: body}, time.Unix(0, 0))
		switch {
		case o.Kind == sinch.Accepted:
			if status != 200 || o.SinchID == "" {
				t.Errorf("accepted by %d with %+v", status, o)
			}
		case o.Kind != sinch.Unknown && !documented[status], status == 400 && o.Kind != sinch.Unknown && o.SinchCode == "":
			t.Errorf("%d counts as not sent: %+v", status, o)
		}
		sinchtest.CheckBounds(t, o)
	})
}
