package batches

import (
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/sinchtest"
	"mmsdispatch/internal/sinch/wire"
)

// For every response: only 201 with an id is acceptance, only the answers
// documented as such count as not sent, and every field is bounded.
func FuzzRead(f *testing.F) {
	for _, status := range []int{200, 201, 202, 302, 401, 429, 500, 503} {
		f.Add(status, []byte(`{"id":"01FC","code":"blocked_account"}`))
	}
	f.Add(201, []byte(`{"id":7}`))
	f.Add(400, []byte(`{"code":"syntax_invalid_json","text":"x"}`))
	f.Add(403, []byte(`{"code":"blocked_account"}`))
	f.Add(403, []byte(`<html>`))
	f.Add(500, []byte(`{"code":"internal"}`))
	documented := map[int]bool{400: true, 401: true, 403: true, 404: true, 405: true, 415: true, 429: true}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		o := read(wire.Response{Status: status, Body: body}, time.Unix(0, 0))
		switch {
		case o.Kind == sinch.Accepted:
			if status != 201 || o.SinchID == "" {
				t.Errorf("accepted by %d with %+v", status, o)
			}
		case o.Kind != sinch.Unknown && !documented[status], status == 400 && o.Kind != sinch.Unknown && o.SinchCode == "":
			t.Errorf("%d counts as not sent: %+v", status, o)
		}
		sinchtest.CheckBounds(t, o)
	})
}

// A text arrives unchanged, even if parts of it have the form of a parameter.
func FuzzParameters(f *testing.F) {
	for _, seed := range []string{"Hi ${name}", "${${a}}", "${}", "$${a}${b}", "${0123456789abcdefg}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		values := parameters(text)
		arrived := parameter.ReplaceAllStringFunc(text, func(found string) string {
			return values[strings.TrimSuffix(strings.TrimPrefix(found, "${"), "}")]["default"]
		})
		if arrived != text {
			t.Errorf("%q arrives as %q", text, arrived)
		}
	})
}
