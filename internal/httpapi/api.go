// Package httpapi is the public HTTP API: it accepts messages from callers and
// receipts from Sinch, and serves the state of messages and batches.
package httpapi

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"
	"golang.org/x/sync/semaphore"

	"mmsdispatch/internal/jobs/receipts"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/mediastore"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/quiet"
	"mmsdispatch/internal/sinch/receipt"
	"mmsdispatch/internal/tracing"
)

// Ledger is the part of the message record that the API uses.
type Ledger interface { //nolint:interfacebloat // one method for each kind of access of the routes
	Accept(ctx context.Context, r ledger.Request) (ledger.Accepted, error)
	ByReference(ctx context.Context, scope message.Scope, ref string) (*message.Message, error)
	CountDuplicate(ctx context.Context, scope message.Scope) error
	// Current reads messages by their ids; those that have expired are left out.
	Current(ctx context.Context, ids []message.ID) (map[message.ID]*message.Message, error)
	Get(ctx context.Context, id message.ID) (*message.Message, error)
	// LogGap reports whether messages of a scope are neither in the long-term log nor
	// among the latest ones.
	LogGap(ctx context.Context, scope message.Scope) (bool, error)
	Recent(ctx context.Context, scope message.Scope, r ledger.Range, yield ledger.Yield) (complete bool, err error)
	Unknown(ctx context.Context, scope message.Scope, r ledger.Range, yield ledger.Yield) error
	Update(ctx context.Context, id message.ID, change ledger.Change) (*message.Message, error)
	Erase(ctx context.Context, scope message.Scope, id message.ID, force bool) (*message.Message, error)
	EraseNumber(ctx context.Context, scope message.Scope, number string) (erased []message.ID, open int, err error)
	Usage(ctx context.Context, scope message.Scope, first time.Time, days int) ([]ledger.Usage, error)
}

// Dispatcher enqueues the task of a waiting message.
type Dispatcher interface {
	// DispatchSoon does not block; failed is called with the error of a task that
	// could not be enqueued.
	DispatchSoon(m *message.Message, failed func(error))
	DispatchMany(ctx context.Context, messages []*message.Message) error
}

// Receipts applies delivery reports from Sinch to messages.
type Receipts interface {
	Apply(ctx context.Context, got receipt.Receipt) (receipts.Result, error)
}

// Metrics counts requests, messages and receipts.
type Metrics interface {
	// RequestBegan counts a request as in flight until RequestEnded.
	RequestBegan()
	RequestEnded()
	// Request counts a request. route is the route's template, empty for an unknown
	// path.
	Request(method, route string, status int, took time.Duration)
	// Message counts a message of a request: accepted, duplicate or rejected.
	Message(lane, result string)
	// Receipt counts a receipt that passed its checks.
	Receipt(shape, result string)
	// WebhookRefused counts a receipt that failed a check.
	WebhookRefused(shape, check string)
}

// Options are the dependencies and limits of the API.
type Options struct {
	Ledger     Ledger
	Batches    Batches
	LongLog    Log      // nil: there is no long-term log
	Erasures   Erasures // of LongLog
	Replays    Replays
	Dispatcher Dispatcher
	OptOuts    OptOuts
	Inbound    Inbound
	// HelpText answers HELP and INFO; empty: they have no answer.
	HelpText string
	Pauses   Pauses
	Keys     Keys
	Limiter  Limiter
	Rate     float64 // requests a second of keys without a rate of their own; 0: no limit
	Media    Media   // nil: media are not checked
	// Uploads keeps media of callers; nil: there is no place to host them.
	Uploads   Uploads
	Rules     *message.Rules
	Quiet     *quiet.Rules // nil: there are no quiet hours
	Receipts  Receipts
	Events    Events
	Callbacks Callbacks
	// CallbackRules are for what callers write of callbacks.
	CallbackRules message.CallbackRules
	Nonces        Nonces // needed with Webhook.Secret
	Webhook       WebhookOptions
	Ready         http.Handler // answers /readyz
	// Paused returns the reason of messages that wait because the account is
	// paused, or nil; it must not block. It may be nil.
	Paused  func() *message.Reason
	Metrics Metrics
	Tracer  *tracing.Tracer // nil: requests are not traced
	Log     zerolog.Logger
	NowFunc func() time.Time // nil: time.Now

	// StorageTimeout bounds the wait of a request for one step of Redis; 0: 1.5 s.
	StorageTimeout time.Duration
	// ListTime bounds the search for one page of messages; 0: a second. When matches
	// are rare, the page is short or empty, and its cursor continues.
	ListTime time.Duration
	// MaxRequests bounds the requests served at once; 0: no limit.
	MaxRequests int64
	// TrustedProxies are the networks from which the access log accepts
	// X-Forwarded-For.
	TrustedProxies []netip.Prefix

	// FindShared marks the rows of a batch that have text and media in common, so
	// that the record stores these once.
	FindShared bool
	// ShareCalls groups the rows of a batch that differ in nothing but the
	// recipient, so that one request to Sinch carries several of them.
	ShareCalls bool
}

// api serves the routes.
type api struct {
	Options

	allow  map[string]string // methods by route template, as in the header Allow
	common http.Header       // of every answer

	bodies, work, pages *budget
	searches, erasures  *budget             // their unit is one request
	requests            *semaphore.Weighted // nil: no limit
}

// route is one line of the routing table. Every GET answers HEAD, too.
type route struct {
	method  string
	path    string
	handler echo.HandlerFunc
}

// routes returns the routing table.
func (a *api) routes(pages *pages) []route {
	hook := &webhook{api: a}
	return []route{
		{http.MethodPost, "/v1/messages", a.private(a.createMessage)},
		{http.MethodGet, "/v1/messages", a.private(a.listMessages)},
		{http.MethodGet, "/v1/messages/:id", a.private(a.getMessage)},
		{http.MethodDelete, "/v1/messages", a.private(a.erasePerson)},
		{http.MethodDelete, "/v1/messages/:id", a.private(a.eraseMessage)},
		{http.MethodPost, "/v1/messages/:id/cancel", a.private(a.cancelMessage)},
		{http.MethodPost, "/v1/messages/:id/replay", a.private(a.replayMessage)},
		{http.MethodPost, "/send-mms", a.private(a.sendMMS)},

		{http.MethodPost, "/v1/batches", a.private(a.createBatch)},
		{http.MethodGet, "/v1/batches", a.private(a.listBatches)},
		{http.MethodGet, "/v1/batches/:" + batchParam, a.private(a.getBatch)},
		{http.MethodPost, "/v1/batches/:" + batchParam + "/cancel", a.private(a.cancelBatch)},
		{http.MethodPost, "/v1/batches/:" + batchParam + "/pause", a.private(a.pauseBatch)},
		{http.MethodPost, "/v1/batches/:" + batchParam + "/resume", a.private(a.resumeBatch)},

		{http.MethodGet, "/v1/usage", a.private(a.usage)},
		{http.MethodGet, "/v1/reports", a.private(a.report)},

		{http.MethodPost, "/v1/replays", a.private(a.createReplay)},
		{http.MethodGet, "/v1/replays/:" + replayParam, a.private(a.getReplay)},
		{http.MethodPost, "/v1/replays/:" + replayParam + "/cancel", a.private(a.cancelReplay)},

		{http.MethodGet, "/v1/suppressions", a.private(a.listOptOuts)},
		{http.MethodGet, "/v1/suppressions/:" + numberParam, a.private(a.getOptOut)},
		{http.MethodPut, "/v1/suppressions/:" + numberParam, a.private(a.putOptOut)},
		{http.MethodDelete, "/v1/suppressions/:" + numberParam, a.private(a.deleteOptOut)},

		{http.MethodGet, "/v1/inbound", a.private(a.listInbound)},

		{http.MethodPut, "/v1/callback", a.private(a.putCallback)},
		{http.MethodGet, "/v1/callback", a.private(a.getCallback)},
		{http.MethodDelete, "/v1/callback", a.private(a.deleteCallback)},
		{http.MethodPost, "/v1/callback/rotate", a.private(a.rotateCallback)},
		{http.MethodPost, "/v1/callback/test", a.private(a.testCallback)},
		{http.MethodGet, "/v1/callback/deliveries", a.private(a.listDeliveries)},
		{http.MethodPost, "/v1/callback/deliveries/:" + deliveryParam + "/redeliver", a.private(a.redeliver)},
		{http.MethodPost, "/v1/media", a.private(a.uploadMedia)},
		{http.MethodGet, "/v1/media/:" + mediaParam, a.private(a.getMedia)},
		{http.MethodDelete, "/v1/media/:" + mediaParam, a.private(a.deleteMedia)},
		{http.MethodGet, mediastore.LinkPath + ":" + linkParam, a.hostMedia},

		{http.MethodGet, "/v1/events", a.private(a.streamEvents)},

		{http.MethodPost, webhooksPath + "dlr", hook.receive},
		{http.MethodPost, webhooksPath + "inbound", hook.receive},

		{http.MethodGet, "/health", a.health},
		{http.MethodGet, "/livez", a.live},
		{http.MethodGet, "/readyz", echo.WrapHandler(a.Ready)},
		{http.MethodGet, "/openapi.yaml", pages.yaml},
		{http.MethodGet, "/openapi.json", pages.json},
		{http.MethodGet, "/docs", pages.docs},
	}
}

// New returns the handler of the public listener.
func New(opts Options) (http.Handler, error) {
	a := &api{
		Options: opts, allow: make(map[string]string), common: everyAnswer(),
		bodies: newBudget(bodiesBudget), work: newBudget(workBudget), pages: newBudget(pagesBudget),
		searches: newBudget(searchSlots(runtime.GOMAXPROCS(0))), erasures: newBudget(searchesMin),
	}
	a.Ready = &cachedAnswer{next: opts.Ready}
	if a.NowFunc == nil {
		a.NowFunc = time.Now
	}
	a.StorageTimeout, a.ListTime = cmp.Or(a.StorageTimeout, storageTimeout), cmp.Or(a.ListTime, listTime)
	if a.Paused == nil {
		a.Paused = func() *message.Reason { return nil }
	}
	if a.MaxRequests > 0 {
		a.requests = semaphore.NewWeighted(a.MaxRequests)
	}
	pages, err := newPages()
	if err != nil {
		return nil, err
	}
	e := echo.New()
	e.Logger.SetOutput(io.Discard) // the access log has every request
	e.HTTPErrorHandler = a.fail
	e.IPExtractor = clientAddress(a.TrustedProxies)
	e.Pre(a.observe, a.admit, a.drain, refuseSlash)
	e.Use(a.refuseOptions)
	for _, r := range a.routes(pages) {
		e.Add(r.method, r.path, r.handler)
		a.allowed(r.path, r.method)
		if r.method == http.MethodGet {
			e.Add(http.MethodHead, r.path, r.handler)
			a.allowed(r.path, http.MethodHead)
		}
	}
	if a.Tracer != nil {
		return a.Tracer.Handler(e, traced, fromSinch), nil
	}
	return e, nil
}

// traced reports whether requests to a path have spans: those that do something, but
// for the streams of events, which last for hours.
func traced(path string) bool {
	return strings.HasPrefix(path, "/v1/") && path != "/v1/events" || path == "/send-mms" || fromSinch(path)
}

// fromSinch reports whether a path is open to anybody, since Sinch has no key.
func fromSinch(path string) bool { return strings.HasPrefix(path, webhooksPath) }

// allowed adds a method to the header Allow of a route template.
func (a *api) allowed(path, method string) {
	methods := []string{method}
	if before := a.allow[path]; before != "" {
		methods = append(methods, strings.Split(before, ", ")...)
	}
	slices.Sort(methods)
	a.allow[path] = strings.Join(methods, ", ")
}

// now is the current time in UTC, truncated to the milliseconds that the API
// shows.
func (a *api) now() time.Time { return a.NowFunc().UTC().Truncate(time.Millisecond) }

// The bounds of a request. A streamed batch extends its own deadlines.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 32 << 10

	// maxStreams and maxReceiveAhead bound the requests that one HTTP/2 connection
	// has open, and the bytes it may send before a handler reads them. An idle
	// connection of HTTP/1.1 costs less; 2,000 connections that fill their window
	// use 128 MiB.
	maxStreams      = 100
	maxReceiveAhead = 64 << 10
)

// NewServer returns a server for the handler. The caller opens the listener and
// sets ErrorLog.
func NewServer(addr string, handler http.Handler) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerConnection: maxReceiveAhead, MaxReceiveBufferPerStream: maxReceiveAhead,
		},
	}
}
