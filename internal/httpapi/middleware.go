package httpapi

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/message"
)

// call is the state of one request.
type call struct {
	id     string // as the response shows it
	logged string // as the log shows it
	caller Caller

	message message.ID      // that the answer is about; empty: none
	batch   message.BatchID // the same

	reading, working grant // the memory of the request, until it ends
}

// callKey is the key of the call in Echo's context.
const callKey = "httpapi.call"

// callOf returns the call of a context.
func callOf(c echo.Context) *call {
	if known, ok := c.Get(callKey).(*call); ok {
		return known
	}
	return &call{}
}

// observe wraps every other handler: it assigns the request id, sets the common
// headers, converts errors and panics to problems, and writes the access log.
func (a *api) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		begun := time.Now()
		a.Metrics.RequestBegan()
		defer a.Metrics.RequestEnded()
		current := named(c.Request().Header.Get(echo.HeaderXRequestID))
		c.Set(callKey, current)
		defer func() { current.reading.release(); current.working.release() }()
		header := c.Response().Header()
		maps.Copy(header, a.common) // a handler may replace them
		header.Set(echo.HeaderXRequestID, current.id)
		if err := a.guard(next, c); err != nil {
			if errors.Is(err, http.ErrAbortHandler) {
				a.record(c, current, begun)
				panic(http.ErrAbortHandler) //nolint:forbidigo // documented by net/http to abort a response
			}
			a.fail(err, c)
		}
		a.record(c, current, begun)
		return nil
	}
}

// guard converts a panic to an error. Only the type of its value is logged, since
// the value may contain personal data.
func (a *api) guard(next echo.HandlerFunc, c echo.Context) (err error) {
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		err = http.ErrAbortHandler         // a partial response must not look complete
		if value == http.ErrAbortHandler { //nolint:errorlint // documented to be this very value
			return
		}
		a.Log.Error().Str("request_id", callOf(c).logged).Str("panic", fmt.Sprintf("%T", value)).Bytes("stack", debug.Stack()).Msg("panic")
		if !c.Response().Committed {
			err = newProblem(codeInternal, "Something went wrong on our side.")
		}
	}()
	return next(c)
}

// record writes the access log: no paths and no queries, which may hold
// personal data and secrets. A receipt that was taken has a line of its own.
func (a *api) record(c echo.Context, current *call, begun time.Time) {
	route := c.Path()
	if _, known := a.allow[route]; !known {
		route = ""
	}
	status, took := c.Response().Status, time.Since(begun)
	a.Metrics.Request(c.Request().Method, route, status, took)
	a.Tracer.Routed(c.Request().Context(), shortMethod(c.Request().Method), route)
	level := zerolog.InfoLevel
	if status < http.StatusBadRequest && strings.HasPrefix(route, webhooksPath) {
		level = zerolog.DebugLevel
	}
	line := a.Log.WithLevel(level)
	if current.message != "" {
		line.Str("message_id", string(current.message))
	}
	if current.batch != "" {
		line.Str("batch_id", string(current.batch))
	}
	line.Str("method", shortMethod(c.Request().Method)).Str("route", route).Int("status", status).Dur("took_ms", took).
		Str("request_id", current.logged).Str("tenant", current.caller.Scope.Tenant).Str("key_id", current.caller.KeyID).
		Str("client", c.RealIP()).Msg("request")
}

// clientAddress returns the caller's address for the log: that of the peer, or,
// when the peer is a trusted proxy, the nearest address in X-Forwarded-For that
// is not one.
func clientAddress(proxies []netip.Prefix) echo.IPExtractor {
	if len(proxies) == 0 {
		return echo.ExtractIPDirect()
	}
	trusted := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, proxy := range proxies {
		trusted = append(trusted, echo.TrustIPRange(&net.IPNet{
			IP: proxy.Addr().AsSlice(), Mask: net.CIDRMask(proxy.Bits(), proxy.Addr().BitLen()),
		}))
	}
	return echo.ExtractIPFromXFFHeader(trusted...)
}

// admit refuses a request while MaxRequests are being served: an HTTP/2
// connection carries several.
func (a *api) admit(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if a.requests == nil {
			return next(c)
		}
		if !a.requests.TryAcquire(1) {
			return newProblem(codeBackpressure, "This process serves as many requests as it can at once; try again.")
		}
		defer a.requests.Release(1)
		return next(c)
	}
}

// shortMethod replaces an unknown method in the log.
func shortMethod(method string) string {
	const longest = len(http.MethodConnect)
	if len(method) > longest {
		return "other"
	}
	return method
}

const requestIDMax = 64

// named uses the caller's request id when it is valid, and generates one
// otherwise.
func named(given string) *call {
	strange := func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("._-", r)
	}
	if given != "" && len(given) <= requestIDMax && !strings.ContainsFunc(given, strange) {
		return &call{id: given, logged: loggedID(given)}
	}
	made := "req_" + rand.Text()
	return &call{id: made, logged: made}
}

var (
	// numberInID matches a possible phone number, with the separators that an id may
	// contain.
	numberInID = regexp.MustCompile(`\d(?:[._-]*\d){6,}`)
	// randomID matches a UUID or a trace id. Its digits are no phone number, and a
	// masked id could not be searched for.
	randomID = regexp.MustCompile(`^(?i:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})$`)
)

// loggedID is a request id with phone numbers masked: some callers use a number
// as id.
func loggedID(id string) string {
	if randomID.MatchString(id) && strings.ContainsAny(id, "abcdefABCDEF") {
		return id
	}
	return numberInID.ReplaceAllString(id, "[number]")
}

// everyAnswer returns the headers common to all responses. The names are in their
// canonical form.
func everyAnswer() http.Header {
	return http.Header{
		echo.HeaderCacheControl:          {"no-store"},
		echo.HeaderContentSecurityPolicy: {"default-src 'none'; frame-ancestors 'none'"},
		echo.HeaderReferrerPolicy:        {"no-referrer"},
		echo.HeaderXContentTypeOptions:   {"nosniff"},
		echo.HeaderXFrameOptions:         {"DENY"},
	}
}

// drainMax bounds the part of a refused body that is read, so that the caller
// receives the response and not a reset connection.
const drainMax = uploadMax + 4<<20

// drain reads the rest of a refused body. A caller that sent Expect: 100-continue
// gets no 100 for it.
func (a *api) drain(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		err := next(c)
		r := c.Request()
		if r.Body != nil && r.Header.Get("Expect") == "" && r.ContentLength <= drainMax {
			_, _ = io.CopyN(io.Discard, r.Body, drainMax) // the response is the same when it fails
		}
		return err
	}
}

// refuseSlash refuses a trailing slash, which the router would read as an empty
// parameter.
func refuseSlash(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if strings.HasSuffix(c.Request().URL.Path, "/") {
			return echo.ErrNotFound
		}
		return next(c)
	}
}

// refuseOptions disables Echo's own answer to OPTIONS.
func (a *api) refuseOptions(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if _, known := a.allow[c.Path()]; known && c.Request().Method == http.MethodOptions {
			return echo.ErrMethodNotAllowed
		}
		return next(c)
	}
}
