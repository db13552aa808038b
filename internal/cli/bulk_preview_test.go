package cli

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

const previewed = `{"id":null,"accepted":3,"duplicates":0,"rejected":1,"held":2,"heldUntil":"2026-03-01T16:00:00.000Z","results":[],
	"preview":[{"to":"+12065551212","subject":"Hi","text":"Dear Ann,\nwelcome","fallbackText":null},{"to":"+12065551213","text":"Dear Bob"}]}`

// A template is shown before anything is sent, and sent when that was confirmed.
func TestBulkShowsATemplateBeforeItIsSent(t *testing.T) {
	t.Parallel()
	const shown = "to +12065551212\n  subject  Hi\n  text     Dear Ann,\n           welcome\nto +12065551213\n  text     Dear Bob\n" +
		"1 row would be rejected\n2 messages would wait for the end of quiet hours, the last until 2026-03-01 16:00 UTC\n"
	for _, tt := range []struct {
		name, answer string
		yes, sends   bool
	}{
		{"confirmed", "y\n", false, true},
		{"confirmed in full, without a line end", "YES", false, true},
		{"refused", "n\n", false, false},
		{"not answered", "", false, false},
		{"not asked", "", true, true},
	} {
		dry, sent := 0, 0
		b := bulk{giveUp: time.Minute, template: true, yes: tt.yes, pace: "2.5", in: strings.NewReader(tt.answer), zone: time.UTC}
		out, _, err := runBulkAs(t, b, "rows.csv", "to,variables.name\n1,Ann\n", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			q := r.URL.Query()
			if q.Get("template") != "true" || q.Get("maxPerSecond") != "2.5" {
				t.Errorf("%s: %s", tt.name, r.URL.RawQuery)
			}
			if q.Get("dryRun") == "true" {
				dry++
				_, _ = io.WriteString(w, previewed)
				return
			}
			sent++
			_, _ = io.WriteString(w, `{"id":"bat_1","accepted":3,"duplicates":0,"rejected":0,"results":[]}`)
		})
		if dry != 1 || (sent == 1) != tt.sends || !strings.HasPrefix(out, shown) || strings.Contains(out, "send 3 messages? [y/N]") == tt.yes {
			t.Errorf("%s: %d dry, %d sent, %v\n%s", tt.name, dry, sent, err, out)
		}
		if tt.sends != (err == nil) || !tt.sends && !errors.Is(err, errNotSent) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// A file without any valid row is not sent.
func TestBulkSendsNoTemplateWithoutAValidRow(t *testing.T) {
	t.Parallel()
	b := bulk{giveUp: time.Minute, template: true, yes: true, in: strings.NewReader("")}
	_, _, err := runBulkAs(t, b, "rows.csv", "to\n1\n", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Query().Get("dryRun") != "true" {
			t.Error("it was sent")
		}
		_, _ = io.WriteString(w, `{"accepted":0,"rejected":1,"results":[]}`)
	})
	if err == nil || !strings.Contains(err.Error(), "every row would be rejected") {
		t.Errorf("%v", err)
	}
}
