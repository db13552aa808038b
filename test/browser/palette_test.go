package browser_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"mmsdispatch/test/harness"
)

// palette opens the command palette by its key.
func (w *window) palette() {
	w.t.Helper()
	harness.Await(w.t, "the scripts of the page", harness.Patience, func() (bool, string) { return w.text() != "", "" })
	w.do("Ctrl-K", chromedp.KeyEvent("k", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	w.awaitFocus("the command palette", func(at focus) bool { return at.ID == "palette-input" })
}

// testPalette goes to a page, to a control and to a message with the command palette
// alone.
func testPalette(t *testing.T, c *console) {
	t.Parallel()
	id := c.send(t, acme, fields{"sendAt": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)})
	w := c.open(t, operator)
	at := func(heading string) {
		t.Helper()
		harness.Await(t, heading, harness.Patience, func() (bool, string) { return w.heading() == heading, w.text() })
	}
	w.palette()
	w.press("audit" + kb.Enter)
	at("Audit")

	w.palette()
	w.wantAccessible("the command palette")
	w.press("lane normal" + kb.ArrowDown + kb.ArrowUp + kb.Enter)
	at("Pause lane:normal")

	w.palette()
	w.press(id + kb.Enter)
	at("Message " + id)
	w.want(`Queued[^\n]*its sendAt`)

	w.palette()
	w.press(kb.Escape)
	w.awaitFocus("the page behind it", func(at focus) bool { return at.ID != "palette-input" })

	viewers := c.open(t, viewer)
	viewers.palette()
	viewers.wantNot("Pause lane normal")
	c.call(t, acme, http.MethodPost, "/v1/messages/"+id+"/cancel", nil, nil)
}
