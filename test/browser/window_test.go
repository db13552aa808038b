package browser_test

import (
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"mmsdispatch/test/harness"
)

// window is a window of the browser, with storage of its own, that shows the console
// to a user. It belongs to the goroutine of its test.
type window struct {
	t      *testing.T
	ctx    context.Context //nolint:containedctx // chromedp's handle of the window
	script bool
	width  int64
	site   string
}

// settings are what options of a window change.
type settings struct {
	script bool
	width  int64
	height int64
	scheme string
}

type option func(*settings)

// withoutScript switches the scripts of pages off.
func withoutScript() option { return func(s *settings) { s.script = false } }

// sized sets the size of the window.
func sized(width, height int64) option {
	return func(s *settings) { s.width, s.height = width, height }
}

// preferring sets the colour scheme that the system prefers.
func preferring(scheme string) option { return func(s *settings) { s.scheme = scheme } }

// phoneMost is the width below which a window is that of a phone.
const phoneMost = 600

// open opens a window at the overview.
func (c *console) open(t *testing.T, user string, options ...option) *window {
	t.Helper()
	conf := settings{script: true, width: 1280, height: 900, scheme: "light"}
	for _, o := range options {
		o(&conf)
	}
	ctx, end := chromedp.NewContext(c.browser, chromedp.WithNewBrowserContext())
	t.Cleanup(end)
	w := &window{t: t, ctx: ctx, script: conf.script, width: conf.width, site: c.admin}
	order(w, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !conf.script})
	// Only a window that is visible and has the focus is refreshed.
	order(w, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	order(w, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: conf.width, Height: conf.height, DeviceScaleFactor: 1, Mobile: conf.width < phoneMost,
	})
	order(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: conf.scheme}},
	})
	order(w, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Authorization": credentials(user)}})
	w.visit("/console/")
	return w
}

// credentials are those of a user, as a header has them.
func credentials(user string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// order makes a call of the browser's protocol.
func order[P, R any](w *window, command cdp.Command[P, R], params P) {
	w.t.Helper()
	if _, err := chromedp.Call(w.ctx, command, params); err != nil {
		w.t.Fatalf("%s: %v", command.Method, err)
	}
}

// do performs actions.
func (w *window) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, harness.Patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
}

// visit opens a page by its address.
func (w *window) visit(path string) {
	w.t.Helper()
	w.do("open "+path, chromedp.Navigate(w.site+path))
}

// pageScript are the functions that the tests call in a page. They run in pages
// without script, too: the browser's protocol calls them.
//
//go:embed testdata/page.js
var pageScript string

// evaluate calls an expression of pageScript. It fails while a page is exchanged for
// another.
func evaluate[T any](w *window, expression string, args ...any) (T, error) {
	ctx, cancel := context.WithTimeout(w.ctx, harness.Patience)
	defer cancel()
	texts := make([]string, len(args))
	for i, arg := range args {
		text, err := json.Marshal(arg)
		if err != nil {
			w.t.Fatal(err)
		}
		texts[i] = string(text)
	}
	call := fmt.Sprintf("(function () { %s\nreturn page.%s(%s); })()", pageScript, expression, strings.Join(texts, ", "))
	return chromedp.Run(ctx, chromedp.Evaluate[T](call, chromedp.EvalAwaitPromise))
}

// locator finds a link, a button or a field by what an operator reads.
type locator struct {
	Tag  string   `json:"tag"`
	Name string   `json:"name"` // empty: the only one there
	Near []string `json:"near"` // texts in the same row, figure or section
}

// link is a link with a text.
func link(name string) locator { return locator{Tag: "a", Name: name} }

// button is a button with a text.
func button(name string) locator { return locator{Tag: "button", Name: name} }

// near narrows a locator down to the row, figure or section that has all texts.
func (l locator) near(texts ...string) locator {
	l.Near = texts
	return l
}

func (l locator) String() string {
	text := l.Tag + " " + l.Name
	if len(l.Near) > 0 {
		text += " near " + strings.Join(l.Near, ", ")
	}
	return text
}

// spot is where an element was found.
type spot struct {
	X     float64 `json:"x"`
	Y     float64 `json:"y"`
	Found int     `json:"found"`
}

// click clicks on the only element of a locator.
func (w *window) click(l locator) {
	w.t.Helper()
	var at spot
	harness.Await(w.t, l.String(), harness.Patience, func() (bool, string) {
		var err error
		at, err = evaluate[spot](w, "locate", l)
		return err == nil && at.Found == 1, fmt.Sprintf("%d found (%v) on a page with\n%s", at.Found, err, w.text())
	})
	w.do("click on "+l.String(), chromedp.MouseClickXY(at.X, at.Y))
}

// clickAgain is how long a click may have no effect: a live update may have moved the
// element away at that moment.
const clickAgain = 5 * time.Second

// follow clicks on an element that leads to another page, and waits for it.
func (w *window) follow(l locator) {
	w.t.Helper()
	before := w.document()
	w.click(l)
	clicked := time.Now()
	harness.Await(w.t, "page behind "+l.String(), harness.Patience, func() (bool, string) {
		now := w.document()
		if now == before && time.Since(clicked) > clickAgain {
			w.click(l)
			clicked = time.Now()
		}
		return now != "" && now != before, w.text()
	})
}

// document identifies the loaded document; empty: none is loaded.
func (w *window) document() string {
	id, err := evaluate[string](w, "loaded")
	if err != nil {
		return ""
	}
	return id
}

// fill types a value into the field with a label.
func (w *window) fill(label, value string) {
	w.t.Helper()
	w.click(locator{Tag: "label", Name: label})
	w.do("select what is there", chromedp.KeyEvent("a", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	w.press(value)
}

// press presses keys as a keyboard does: a key that the page handles is not typed.
func (w *window) press(keys string) {
	w.t.Helper()
	for _, key := range keys {
		events := kb.Encode(key)
		if len(events) == 3 { // down, character, up: what is typed belongs to the first
			down, typed := events[0], events[1]
			down.Text, down.UnmodifiedText = typed.Text, typed.UnmodifiedText
			events = slices.Delete(events, 1, 2)
		}
		for _, event := range events {
			order(w, input.DispatchKeyEvent, *event)
		}
	}
}

// choose chooses the option of a select by its first letters.
func (w *window) choose(label, option string) {
	w.t.Helper()
	w.do("focus", chromedp.Focus(chromedp.CSS("select[name="+label+"]")))
	w.press(option + kb.Tab)
}

// text is the text of the page as it is seen; empty: none is loaded.
func (w *window) text() string {
	text, err := evaluate[string](w, "text")
	if err != nil {
		return ""
	}
	return text
}

// want checks that the page shows what matches a pattern.
func (w *window) want(pattern string) {
	w.t.Helper()
	if text := w.text(); !regexp.MustCompile(pattern).MatchString(text) {
		address, _ := chromedp.Run(w.ctx, chromedp.Location())
		w.t.Errorf("%s lacks %q:\n%s", address, pattern, text)
	}
}

// wantNot checks that the document has none of the texts, visible or not.
func (w *window) wantNot(texts ...string) {
	w.t.Helper()
	source, err := evaluate[string](w, "source")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, text := range texts {
		if strings.Contains(source, text) {
			w.t.Errorf("the page has %q", text)
		}
	}
}

// await waits until the page shows what matches a pattern. With script the page
// refreshes itself; without, it is loaded again.
func (w *window) await(what, pattern string) {
	w.t.Helper()
	match := regexp.MustCompile(pattern)
	harness.Await(w.t, what, harness.Patience, func() (bool, string) {
		text := w.text()
		if match.MatchString(text) {
			return true, ""
		}
		if !w.script {
			w.do("reload", chromedp.Reload())
		}
		return false, text
	})
}

// heading is the h1 of the page.
func (w *window) heading() string {
	heading, err := evaluate[string](w, "heading")
	if err != nil {
		return ""
	}
	return heading
}

// wantPage checks the heading of the page, and that its title begins with it.
func (w *window) wantPage(heading string) {
	w.t.Helper()
	title, err := chromedp.Run(w.ctx, chromedp.Title())
	if got := w.heading(); err != nil || got != heading || !strings.HasPrefix(title, heading) {
		w.t.Fatalf("the page is %q with the title %q (%v), want %q", got, title, err, heading)
	}
}
