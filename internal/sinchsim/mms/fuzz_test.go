package mms_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"mmsdispatch/internal/sinchsim/simtest"
)

// For every request, the MMS API responds with 200 and JSON with success or failure,
// and only success is accepted.
func FuzzMMSRequest(f *testing.F) {
	for _, body := range []simtest.Fields{
		simtest.MMS(), simtest.MMS().With("action", "savemms").With("name", "n"), simtest.MMS().With("to", "+1"),
		simtest.MMS().With("action", "sendsavedmms").With("mms-id", "1"),
		simtest.MMS().With("slide", []any{simtest.Fields{"pdf": simtest.Fields{"url": "http://x/%zz"}}}),
		simtest.MMS().With("mms-expiry-timestamp", "2026-01-01T00:00:00Z").With("to-displayonly", "12065551212,,"),
	} {
		text, err := json.Marshal(body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(`{"action":"sendmms","to":"\ud800"}`)
	f.Add(strings.Repeat("[", 20_000))
	s := simtest.Quiet()
	f.Fuzz(func(t *testing.T, body string) {
		before := s.Stats().Accepted
		w := simtest.Serve(s.Handler(), http.MethodPost, simtest.MMSPath, simtest.MMSHeader(), body)
		var got struct {
			Status string `json:"status"`
			Code   string `json:"error-code"`
			ID     string `json:"tracking-id"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%d %q: %v", w.Code, w.Body, err)
		}
		if (got.Status == "Success") == (got.Code != "") {
			t.Errorf("answer %s", w.Body)
		}
		if accepted := s.Stats().Accepted - before; (got.ID != "") != (accepted == 1) {
			t.Errorf("%d accepted, answer %s", accepted, w.Body)
		}
		simtest.CheckRecordReadable(t, s)
	})
}
