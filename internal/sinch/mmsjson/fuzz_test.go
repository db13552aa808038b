package mmsjson

import (
	"testing"
	"time"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/sinchtest"
	"mmsdispatch/internal/sinch/wire"
)

// For every response: only HTTP 200 is acceptance, what Sinch may have accepted
// never counts as not sent, and every field is bounded.
func FuzzRead(f *testing.F) {
	for _, status := range []int{200, 401, 429, 500} {
		f.Add(status, []byte(`{"status":"Success","tracking-id":"T","mms-id":35674}`))
		f.Add(status, []byte(`{"status":"Failure","error-code":"E111","error-info":"x"}`))
		f.Add(status, []byte(`{"status":"Failure","error-code":"+12065551212"}`))
		f.Add(status, []byte(`{"status":"Success","error-code":"E503"}`))
		f.Add(status, []byte(`<html>`))
	}
	documented := map[int]bool{401: true, 403: true, 404: true, 405: true, 415: true, 429: true}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		o := read(wire.Response{Status: status, Body: body}, time.Unix(0, 0))
		switch {
		case o.Kind == sinch.Accepted:
			if status != 200 || o.Code != "" || o.SinchCode != "" {
				t.Errorf("accepted by %d with %+v", status, o)
			}
		case o.Kind != sinch.Unknown && o.SinchCode == "" && !documented[status]:
			t.Errorf("%d without a code counts as not sent: %+v", status, o)
		}
		if saved := readSave(wire.Response{Status: status, Body: body}, time.Unix(0, 0)); saved.Kind == sinch.Accepted && saved.SinchID == "" {
			t.Errorf("saved as nothing: %+v", saved)
		}
		sinchtest.CheckBounds(t, o)
	})
}
