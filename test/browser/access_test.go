package browser_test

import (
	_ "embed"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// axe is axe-core; testdata/README.md has its version and licence.
//
//go:embed testdata/axe.min.js
var axe string

// violation is a rule of WCAG that a page breaks.
type violation struct {
	ID    string   `json:"id"`
	Help  string   `json:"help"`
	Nodes []string `json:"nodes"`
}

// wantAccessible checks the page with axe-core, by the rules of WCAG 2 of the levels A
// and AA.
func (w *window) wantAccessible(where string) {
	w.t.Helper()
	if loaded, err := evaluate[bool](w, "hasAxe"); err != nil || !loaded {
		w.do("load axe-core", chromedp.Evaluate[chromedp.Void](axe))
	}
	broken, err := evaluate[[]violation](w, "violations")
	if err != nil {
		w.t.Fatalf("check %s: %v", where, err)
	}
	for _, v := range broken {
		w.t.Errorf("%s: %s: %s\n%s", where, v.ID, v.Help, strings.Join(v.Nodes, "\n"))
	}
}

// wantNoSideways checks that the document is no wider than the window.
func (w *window) wantNoSideways(where string) {
	w.t.Helper()
	excess, err := evaluate[int](w, "excess", w.width)
	if err != nil || excess > 0 {
		w.t.Errorf("%s is %d pixels wider than the window (%v)", where, excess, err)
	}
}

// pagesOf are the addresses of all kinds of pages, with and without rows.
func pagesOf(t *testing.T, c *console) []string {
	t.Helper()
	var batches, failed struct{ Data []struct{ ID string } }
	c.call(t, initech, http.MethodGet, "/v1/batches", nil, &batches)
	c.call(t, acme, http.MethodGet, "/v1/messages?status=failed", nil, &failed)
	if len(batches.Data) == 0 || len(failed.Data) == 0 {
		t.Fatal("there are no messages and batches")
	}
	message, batch := "/console/messages/"+failed.Data[0].ID, "/console/batches/"+batches.Data[0].ID
	return []string{
		"/console/", "/console/messages", message, "/console/messages?tenant=nobody", "/console/batches", batch,
		"/console/problems", "/console/tenants", "/console/senders", "/console/optouts", "/console/callbacks",
		"/console/workers", "/console/audit", "/console/pause?scope=lane:high", "/console/pace", message + "/replay",
		message + "/reveal", "/console/nowhere",
	}
}

// testAccessibility checks every page in both colour schemes, and on a phone.
func testAccessibility(t *testing.T, c *console) {
	t.Parallel()
	windows := map[string][]option{
		"light": {preferring("light")},
		"dark":  {preferring("dark")},
		"phone": {sized(390, 844)},
	}
	paths := pagesOf(t, c)
	for name, options := range windows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := c.open(t, admin, options...)
			for _, path := range paths {
				w.visit(path)
				w.wantAccessible(fmt.Sprintf("%s (%s)", path, name))
				w.wantNoSideways(path)
			}
			w.press("?")
			w.wantAccessible("the list of keys (" + name + ")")
		})
	}
	t.Run("a viewer's pages", func(t *testing.T) {
		t.Parallel()
		w := c.open(t, viewer)
		w.wantAccessible("the overview of a viewer")
		w.want("Your role does not allow this change")
		for _, control := range []string{"Pause", "Resume", "Change pace"} {
			if at, err := evaluate[spot](w, "locate", button(control)); err != nil || at.Found > 0 {
				t.Errorf("a viewer has the control %s (%v)", control, err)
			}
		}
	})
}
