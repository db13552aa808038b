// Package pages serves the console: what operators see of an installation, and the
// changes that they make. The pages are rendered here and work without script; with
// script they are refreshed while they are open. Numbers are masked and contents
// hidden, except in the answer to a reveal.
package pages

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/admin"
	"mmsdispatch/internal/apikey"
	"mmsdispatch/internal/callback"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/messagelog"
	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/replay"
	"mmsdispatch/internal/status"
	"mmsdispatch/internal/suppression"
)

// Root is the path of the overview, below which all pages are.
const Root = "/console/"

var (
	//go:embed templates/*.html
	templateFiles embed.FS
	//go:embed assets
	assetFiles embed.FS
)

// Tasks enqueues the tasks of messages that are replayed.
type Tasks interface {
	Dispatch(ctx context.Context, m *message.Message) error
}

// History finds messages that Redis no longer holds. Without one the error wraps
// ledger.ErrNotFound.
type History interface {
	Message(ctx context.Context, scope message.Scope, id message.ID) (*message.Message, error)
	Messages(ctx context.Context, scope message.Scope, q messagelog.Query) ([]*message.Message, error)
	Problems(ctx context.Context, scopes []message.Scope, statuses []message.Status, now time.Time, hours int) ([]messagelog.Problem, error)
}

// Sender is a number that messages are sent from, with its limits.
type Sender struct {
	Number    string
	PerSecond float64 // 0: the account's pace alone
	Daily     int64   // 0: no limit
}

// Options are the parts that the pages show and change.
type Options struct {
	Redis     redis.UniversalClient
	Ledger    *ledger.Ledger
	Callbacks *callback.Store
	OptOuts   *suppression.Store
	Keys      *apikey.Store
	Status    *status.Reader
	Rules     *message.Rules // for numbers in searches
	Tasks     Tasks
	Replays   *replay.Store
	History   History // the long-term log; nil: there is none
	Senders   []Sender
	APIs      []string         // the APIs of Sinch whose ids can be searched for
	Now       func() time.Time // Redis' time
	Write     bool             // allows changes
	Logged    bool             // changes wait for the long-term log, too
	Log       zerolog.Logger
}

// Handler serves the console. Close ends the streams of open pages.
type Handler struct {
	Options

	templates map[string]*template.Template
	routes    http.Handler
	closing   chan struct{}
	streams   chan struct{} // semaphore of open streams
	searched  searchedNumbers
	logged24  loggedProblems
}

// New builds the pages. Redis need not be running.
func New(opts Options) (*Handler, error) {
	h := &Handler{Options: opts, closing: make(chan struct{}), streams: make(chan struct{}, streamsMax)}
	var err error
	if h.templates, err = parseTemplates(); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for pattern, serve := range h.pages() {
		mux.Handle("GET "+Root+pattern, h.page(serve))
	}
	for pattern, serve := range h.changes() {
		mux.Handle("GET "+Root+pattern, sameSite(h.page(serve)))
		mux.Handle("POST "+Root+pattern, sameSite(h.page(serve)))
	}
	mux.Handle("POST "+Root+"search", sameSite(h.page(h.search)))
	mux.Handle("GET "+Root+"assets/", http.StripPrefix(Root, assets()))
	mux.HandleFunc("GET "+Root+"stream", h.stream)
	mux.Handle("GET "+Root, h.page(func(http.ResponseWriter, *http.Request) error { return errNoPage }))
	h.routes = secure(mux)
	return h, nil
}

// pages are the handlers of pages that only show.
func (h *Handler) pages() map[string]handlerFunc {
	return map[string]handlerFunc{
		"{$}":           h.overview,
		"status.json":   h.statusJSON,
		"search":        h.search,
		"messages":      h.messages,
		"messages/{id}": h.message,
		"batches":       h.batches,
		"batches/{id}":  h.batch,
		"problems":      h.problems,
		"tenants":       h.tenants,
		"senders":       h.senders,
		"optouts":       h.optOuts,
		"callbacks":     h.callbacks,
		"workers":       h.workers,
		"audit":         h.audit,
	}
}

// changes are the handlers of changes: GET asks for a confirmation, and POST makes
// the change.
func (h *Handler) changes() map[string]handlerFunc {
	return map[string]handlerFunc{
		"pause":                h.pause,
		"resume":               h.resume,
		"pace":                 h.changePace,
		"pace/reset":           h.resetPace,
		"messages/{id}/replay": h.replayMessage,
		"messages/{id}/reveal": h.reveal,
		"problems/replay":      h.replayProblem,
		"problems/cancel":      h.cancelProblem,
		"problems/suppress":    h.suppressProblem,
		"problems/stop":        h.stopJob,
	}
}

// ServeHTTP serves one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.routes.ServeHTTP(w, r) }

// Close ends the streams of open pages.
func (h *Handler) Close() { close(h.closing) }

// pageTimeout bounds what a page reads or changes, below the time limit of a response
// on the admin listener.
const pageTimeout = 20 * time.Second

// maxForm bounds the size of a form.
const maxForm = 16 << 10

// handlerFunc serves a page, or returns an error before it has written anything.
type handlerFunc func(w http.ResponseWriter, r *http.Request) error

func (h *Handler) page(serve handlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), pageTimeout)
		defer cancel()
		r = r.WithContext(ctx)
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := serve(w, r); err != nil {
			h.failed(w, r, err)
		}
	})
}

// view is what every template gets.
type view struct {
	Title      string
	Path       string // of the page
	Query      string // the search
	User       string
	CanOperate bool
	CanReveal  bool
	Note       string // why there are no controls; empty: there are
	Now        time.Time
	Live       bool
	Body       any
}

// render writes a page.
func (h *Handler) render(w http.ResponseWriter, r *http.Request, code int, name, title string, body any) error {
	v := view{
		Title: title, Path: r.URL.Path, Query: r.URL.Query().Get("q"), User: userOf(r), Now: h.Now().UTC(),
		CanOperate: h.allows(r, admin.Operator) == nil, CanReveal: h.allows(r, admin.Admin) == nil,
		Live: r.Method == http.MethodGet && name != "confirm" && (code == http.StatusOK || code == http.StatusServiceUnavailable),
		Body: body,
	}
	if err := h.allows(r, admin.Operator); err != nil {
		v.Note = err.Error()
	}
	var out bytes.Buffer
	if err := h.templates[name].ExecuteTemplate(&out, "layout", v); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(out.Bytes()) // it fails only when the browser has disconnected
	return nil
}

func (h *Handler) show(w http.ResponseWriter, r *http.Request, name, title string, body any) error {
	return h.render(w, r, http.StatusOK, name, title, body)
}

// parseTemplates parses each page with the layout.
func parseTemplates() (map[string]*template.Template, error) {
	layout, err := template.New("").Funcs(functions()).ParseFS(templateFiles, "templates/layout.html")
	if err != nil {
		return nil, fmt.Errorf("parse templates: %w", err)
	}
	files, err := templateFiles.ReadDir("templates")
	if err != nil {
		return nil, fmt.Errorf("read templates: %w", err)
	}
	all := make(map[string]*template.Template)
	for _, file := range files {
		name, _ := strings.CutSuffix(file.Name(), ".html")
		own, err := layout.Clone()
		if err == nil {
			own, err = own.ParseFS(templateFiles, "templates/"+file.Name())
		}
		if err != nil {
			return nil, fmt.Errorf("parse template %s: %w", name, err)
		}
		all[name] = own
	}
	return all, nil
}

// userOf is the user of the admin listener; unknown: it has none.
func userOf(r *http.Request) string {
	if name, _, ok := r.BasicAuth(); ok && name != "" {
		return name
	}
	return "unknown"
}

func (h *Handler) operator(r *http.Request) *operator.Operator {
	return operator.New(h.Redis, userOf(r), operator.FromConsole).Logged(h.Logged)
}
