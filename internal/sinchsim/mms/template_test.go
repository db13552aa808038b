package mms_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

func TestMMSTemplates(t *testing.T) {
	t.Parallel()
	save := simtest.Fields{"action": "savemms", "name": "n", "client-reference": "tmpl-1", "slide": slideOf("video", mediaOf("a.mp4"))}
	send := simtest.MMS().With("action", "sendsavedmms").With("slide", nil)
	t.Run("ready after encoding", func(t *testing.T) {
		t.Parallel()
		s, rec := simtest.StartWithReceiver(t, sinchsim.Options{MMS: sinchsim.MMSOptions{EncodeTime: time.Second}})
		saved := s.SendMMS(t, save)
		id, _ := saved.Fields["mms-id"].(string)
		if saved.Fields["status"] != "Success" || id == "" || saved.Fields["tracking-id"] != nil {
			t.Fatalf("saved: %s", saved.Raw)
		}
		if got := s.SendMMS(t, send.With("mms-id", id)); got.Fields["error-code"] != "E626" {
			t.Fatalf("while encoding: %s", got.Raw)
		}
		p := rec.Next(t)
		want := map[string]any{"origin": "MMS_MT", "code": "N003", "mms-id": id, "client-reference": "tmpl-1"}
		if diff := cmp.Diff(want, p.Fields); diff != "" {
			t.Fatalf("postback (-want +got):\n%s", diff)
		}
		if got := s.SendMMS(t, send.With("mms-id", id)); got.Fields["status"] != "Success" || got.Fields["mms-id"] != id {
			t.Fatalf("when ready: %s", got.Raw)
		}
		if n := s.AcceptedFor(sinchsim.ByMessage, "msg_a"); n != 1 {
			t.Errorf("%d accepted calls", n)
		}
		if n := s.AcceptedFor(sinchsim.ByMessage, "tmpl"); n != 0 {
			t.Errorf("a template counts as %d messages", n)
		}
	})
	t.Run("refusals", func(t *testing.T) {
		t.Parallel()
		s, _ := simtest.StartWithReceiver(t, sinchsim.Options{MMS: sinchsim.MMSOptions{EncodeTime: -1}})
		id := s.SendMMS(t, save).Fields["mms-id"]
		for name, tt := range map[string]struct {
			body simtest.Fields
			code string
		}{
			"no name":    {save.With("name", nil), "E311"},
			"no slide":   {save.With("slide", nil), "E312"},
			"no id":      {send, "E620"},
			"unknown id": {send.With("mms-id", "999999"), "E241"},
			"bad to":     {send.With("mms-id", id).With("to", "x"), "E110"},
		} {
			if got := s.SendMMS(t, tt.body); got.Fields["error-code"] != tt.code {
				t.Errorf("%s: %s, want %s", name, got.Raw, tt.code)
			}
		}
		h := simtest.MMSHeader()
		h.Set("X-Api-Key", "another account")
		got, err := simtest.Call(t.Context(), http.MethodPost, s.URL+simtest.MMSPath, h, simtest.JSON(t, send.With("mms-id", id)))
		if err != nil || got.Fields["error-code"] != "E241" {
			t.Errorf("another account: %s, %v", got.Raw, err)
		}
	})
	t.Run("cleared", func(t *testing.T) {
		t.Parallel()
		s, _ := simtest.StartWithReceiver(t, sinchsim.Options{MMS: sinchsim.MMSOptions{EncodeTime: -1}})
		id := s.SendMMS(t, save).Fields["mms-id"]
		if got := s.Control(t, http.MethodDelete, "/templates", ""); got.Status != http.StatusNoContent {
			t.Fatalf("%d %s", got.Status, got.Raw)
		}
		if got := s.SendMMS(t, send.With("mms-id", id)); got.Fields["error-code"] != "E241" {
			t.Errorf("sent: %s", got.Raw)
		}
	})
	t.Run("unusable", func(t *testing.T) {
		t.Parallel()
		s, rec := simtest.StartWithReceiver(t, sinchsim.Options{MMS: sinchsim.MMSOptions{EncodeTime: -1}})
		s.Next(1, sinchsim.Behavior{Receipts: sinchsim.Receipts{Outcome: sinchsim.OutcomeMedia}})
		id := s.SendMMS(t, save).Fields["mms-id"]
		if code := rec.Next(t).Fields["code"]; code != "E003" {
			t.Errorf("postback %v", code)
		}
		if got := s.SendMMS(t, send.With("mms-id", id)); got.Fields["error-code"] != "E241" {
			t.Errorf("sent: %s", got.Raw)
		}
	})
}

// Sinch fetches the media of every message again, but those of saved ones once.
func TestMediaFetchesAreCounted(t *testing.T) {
	t.Parallel()
	s, _ := simtest.StartWithReceiver(t, sinchsim.Options{})
	two := []any{simtest.Fields{"image": mediaOf("a.jpg")}, simtest.Fields{"audio": mediaOf("b.mp3"), "message-text": "x"}}
	steps := []struct {
		name string
		body simtest.Fields
		want uint64
	}{
		{"sendmms", simtest.MMS().With("slide", two), 2},
		{"sendmms again", simtest.MMS().With("slide", two), 4},
		{"refused", simtest.MMS().With("slide", two).With("to", "x"), 4},
		{"refused by a rule", simtest.MMS().With("slide", two).With("to", "12065559001"), 4},
		{"savemms", simtest.Fields{"action": "savemms", "name": "n", "slide": slideOf("image", mediaOf("a.jpg"))}, 5},
	}
	var id any
	for _, step := range steps {
		id = s.SendMMS(t, step.body).Fields["mms-id"]
		if got := s.Stats().MediaFetches; got != step.want {
			t.Fatalf("%s: %d, want %d", step.name, got, step.want)
		}
	}
	saved := simtest.MMS().With("action", "sendsavedmms").With("slide", nil).With("mms-id", id)
	for range 3 {
		if got := s.SendMMS(t, saved); got.Fields["status"] != "Success" {
			t.Fatal(got.Raw)
		}
	}
	if got := s.Stats().MediaFetches; got != 5 {
		t.Errorf("sendsavedmms: %d, want 5", got)
	}
}
