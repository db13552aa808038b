package console

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	outsideLinks  = regexp.MustCompile(`<link[^>]+href="(?:https?:)?//[^>]*>`)
	inlineScripts = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

	// root is where the UI lives. The transform makes its fixed head stay below what
	// stands before it.
	root      = []byte(`<div id="root"></div>`)
	rootBelow = []byte(`<div id="root" style="transform:translateZ(0)"></div>`)

	//go:embed banner.html
	banner []byte

	errNoPage = errors.New("the queue UI has no page")
)

// files serves the UI's page and its assets.
type files struct {
	ui     http.Handler
	page   []byte
	policy string // the page's Content-Security-Policy
}

// newFiles prepares the page. It removes the links to Google Fonts, so that no
// third party sees an operator's visit and the page is the same without the
// internet. The policy allows its two inline scripts by hash, and no others.
func newFiles(ui http.Handler) (*files, error) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, QueuesPath+"/", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask for the queue UI: %w", err)
	}

	answer := record(ui, request)

	page := outsideLinks.ReplaceAll(answer.body.Bytes(), nil)
	if answer.status != http.StatusOK || !bytes.Contains(page, root) {
		return nil, errNoPage
	}

	page = bytes.Replace(page, root, slices.Concat(banner, rootBelow), 1)
	return &files{ui: ui, page: page, policy: policyFor(page)}, nil
}

// policyFor returns the policy that allows the content of the page. Material UI
// adds its styles at run time.
func policyFor(page []byte) string {
	var scripts strings.Builder
	scripts.WriteString("script-src 'self'")

	for _, script := range inlineScripts.FindAllSubmatch(page, -1) {
		sum := sha256.Sum256(script[1])
		scripts.WriteString(" 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'")
	}
	return strings.Join([]string{
		"default-src 'none'", scripts.String(), "style-src 'self' 'unsafe-inline'", "img-src 'self' data:", "font-src 'self'",
		"connect-src 'self'", "manifest-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
	}, "; ")
}

// ServeHTTP serves a file, or the page for every other path: the UI has its
// own routes and reads them from the address.
func (f *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := record(f.ui, r)

	isFile := answer.header.Get("Content-Type") != "" // the page comes without
	hashed := strings.HasPrefix(r.URL.Path, QueuesPath+"/static/")

	switch {
	case isFile:
		answer.header.Set("Content-Type", contentType(r.URL.Path, answer.header.Get("Content-Type")))

		if hashed { // the name contains the version
			answer.header.Set("Cache-Control", "private, max-age=86400, immutable")
		}

		answer.send(w)
	case hashed:
		http.NotFound(w, r)
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", f.policy)
		// Writing fails only when the browser has disconnected.
		_, _ = w.Write(f.page) //nolint:gosec // asynqmon's own page, prepared before any request
	}
}

// contentType corrects the type that asynqmon guesses: with nosniff, browsers
// accept neither styles nor drawings as text.
func contentType(file, guessed string) string {
	switch path.Ext(file) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	default:
		return guessed
	}
}

// recorded buffers a response. Those of the UI are small: a page of tasks, or a
// script.
type recorded struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func record(handler http.Handler, r *http.Request) *recorded {
	answer := &recorded{header: http.Header{}, status: http.StatusOK}
	handler.ServeHTTP(answer, r)
	return answer
}

// Header implements http.ResponseWriter.
func (a *recorded) Header() http.Header { return a.header }

// Write implements http.ResponseWriter.
func (a *recorded) Write(part []byte) (int, error) {
	a.body.Write(part)
	return len(part), nil
}

// WriteHeader implements http.ResponseWriter.
func (a *recorded) WriteHeader(status int) { a.status = status }

// send writes the buffered response.
func (a *recorded) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)

	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes()) // it fails only when the browser has disconnected
}
