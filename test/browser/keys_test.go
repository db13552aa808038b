package browser_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"mmsdispatch/test/harness"
)

// focus is where the keyboard is.
type focus struct {
	ID     string `json:"id"`
	Row    int    `json:"row"` // of its table, from 0; -1: in none
	Dialog bool   `json:"dialog"`
}

// awaitFocus waits until the focus is where it should be.
func (w *window) awaitFocus(what string, is func(focus) bool) {
	w.t.Helper()
	harness.Await(w.t, what, harness.Patience, func() (bool, string) {
		at, err := evaluate[focus](w, "focus")
		return err == nil && is(at), ""
	})
}

// testKeyboard goes to the search, through the list of keys and a table, and opens a
// row.
func testKeyboard(t *testing.T, c *console) {
	t.Parallel()
	w := c.open(t, operator)
	w.press("/")
	w.awaitFocus("focus on the search field", func(at focus) bool { return at.ID == "q" })
	w.press("tenant:acme status:failed" + kb.Enter)
	harness.Await(t, "the result of the search", harness.Patience, func() (bool, string) { return w.heading() == "Messages", w.text() })
	w.want(acme + `[^\n]*failed`)

	w.press("?")
	w.awaitFocus("the list of keys", func(at focus) bool { return at.Dialog })
	w.press(kb.Escape)
	w.awaitFocus("the page behind it", func(at focus) bool { return !at.Dialog })

	for _, step := range []struct {
		key string
		row int
	}{{"j", 0}, {"j", 1}, {"j", 2}, {"k", 1}} {
		w.press(step.key)
		w.awaitFocus("the row after "+step.key, func(at focus) bool { return at.Row == step.row })
	}
	w.press(kb.Enter)
	harness.Await(t, "the message of the row", harness.Patience, func() (bool, string) {
		return len(w.heading()) > len("Message msg_"), w.text()
	})
	w.want(`Status: failed`)
}

// testLive changes a message while three windows show it: one with script, a frozen one,
// and one without script.
func testLive(t *testing.T, c *console) {
	t.Parallel()
	id := c.send(t, acme, fields{"sendAt": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)})
	live, frozen, plain := c.open(t, operator), c.open(t, operator), c.open(t, operator, withoutScript())
	for _, w := range []*window{live, frozen, plain} {
		w.fill("Search", id)
		w.follow(button("Search"))
		w.want(`Status: scheduled`)
	}
	documents := []string{live.document(), frozen.document()}
	frozen.click(button("Freeze"))
	frozen.awaitFrozen(true)
	c.call(t, acme, http.MethodPost, "/v1/messages/"+id+"/cancel", nil, nil)
	live.await("the change", `Status: canceled`)
	for range 2 { // the frozen window would have had its update by now
		live.awaitUpdate()
	}
	frozen.want(`Status: scheduled`)
	plain.want(`Status: scheduled`)
	frozen.press("f")
	frozen.awaitFrozen(false)
	frozen.await("the change", `Status: canceled`)
	if got := []string{live.document(), frozen.document()}; got[0] != documents[0] || got[1] != documents[1] {
		t.Errorf("the page was loaded again: %v became %v", documents, got)
	}
}

// awaitFrozen waits until the button shows whether the page is frozen.
func (w *window) awaitFrozen(want bool) {
	w.t.Helper()
	harness.Await(w.t, "frozen or not", harness.Patience, func() (bool, string) {
		got, err := evaluate[bool](w, "frozen")
		return err == nil && got == want, ""
	})
}

// awaitUpdate waits for the next live update.
func (w *window) awaitUpdate() {
	w.t.Helper()
	begin, err := evaluate[string](w, "asOf")
	if err != nil {
		w.t.Fatal(err)
	}
	harness.Await(w.t, "an update", harness.Patience, func() (bool, string) {
		now, err := evaluate[string](w, "asOf")
		return err == nil && now != begin, now
	})
}
