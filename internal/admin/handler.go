package admin

import (
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"mmsdispatch/internal/telemetry"
)

const (
	// scrapeTimeout is above the time in which a collector queries Redis.
	scrapeTimeout = 5 * time.Second
	// maxScrapes bounds concurrent scrapes.
	maxScrapes = 4
)

// index lists the pages; it is also the response to an unknown path.
const index = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Admin</title>
<ul><li><a href="/console/">console</a><li><a href="/queues/">queues</a><li><a href="/metrics">metrics</a><li><a href="/readyz">readyz</a>
<li><a href="/livez">livez</a><li><a href="/debug/pprof/">pprof</a></ul></html>
`

// newHandler routes requests. Only the health checks need no credentials, because
// probes have none.
func newHandler(opts Options) http.Handler {
	private := http.NewServeMux()
	private.HandleFunc("GET /{$}", serveIndex)
	private.Handle("GET /metrics", metricsHandler(opts.Metrics, opts.Log))
	private.HandleFunc("GET /debug/pprof/", pprof.Index)
	private.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	private.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	private.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	private.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol) // go tool pprof posts addresses
	private.HandleFunc("GET /debug/pprof/trace", pprof.Trace)

	if opts.Queues != nil {
		private.Handle("/queues", http.RedirectHandler("/queues/", http.StatusTemporaryRedirect))
		private.Handle("/queues/", onlyChangedBy(Operator, opts.Queues))
	}

	if opts.Console != nil {
		private.Handle("/console", http.RedirectHandler("/console/", http.StatusTemporaryRedirect))
		private.Handle("/console/", opts.Console)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", ServeLive)
	mux.Handle("GET /readyz", opts.Ready)
	mux.Handle("/", protect(private, newUsers(opts)))
	return secure(mux)
}

func metricsHandler(metrics prometheus.Gatherer, log zerolog.Logger) http.Handler {
	return promhttp.HandlerFor(metrics, promhttp.HandlerOpts{
		ErrorLog:            telemetry.NewStdLogger(log, "prometheus"),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
		Timeout:             scrapeTimeout,
	})
}

func serveIndex(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(index)) // it fails only when the browser has disconnected
}
