// Package console holds the pages for operators. Queues is the web UI of
// asynq, mounted so that it shows no payload and no text that is not ours, and
// requests nothing from any other host. A banner names what it does not show, and a
// queue is paused with its lane.
package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hibiken/asynq"
	"github.com/hibiken/asynqmon"
	"github.com/redis/go-redis/v9"
)

// QueuesPath is the path of the queue pages.
const QueuesPath = "/queues"

const redacted = "[redacted]"

// Options configure the queue pages.
type Options struct {
	// Redis creates the connections of the pages.
	Redis asynq.RedisConnOpt
	// Write allows changes: pause, run, archive, delete.
	Write bool
	// Lanes pauses and resumes. It is needed with Write.
	Lanes Lanes
	// Change is called before every change; after an error it is not made.
	// It is needed with Write.
	Change func(ctx context.Context, c Change) error
	// ErrorText returns the part of a task's error that may be shown. When it is
	// nil, every error is redacted: asynq stores errors of libraries, panics
	// included.
	ErrorText func(text string) string
}

// Queues serves the queue pages under QueuesPath.
type Queues struct {
	handler http.Handler
	close   func() error
}

var errNotRedis = errors.New("the Redis options do not make a Redis client")

// NewQueues builds the pages. Redis need not be running.
func NewQueues(opts Options) (*Queues, error) {
	if err := checkRedis(opts.Redis); err != nil {
		return nil, err
	}

	if opts.ErrorText == nil {
		opts.ErrorText = func(string) string { return redacted }
	}

	ui := asynqmon.New(asynqmon.Options{
		RootPath:         QueuesPath,
		RedisConnOpt:     opts.Redis,
		PayloadFormatter: asynqmon.PayloadFormatterFunc(func(_ string, payload []byte) string { return hide(payload) }),
		ResultFormatter:  asynqmon.ResultFormatterFunc(func(_ string, result []byte) string { return hide(result) }),
		ReadOnly:         !opts.Write,
	})

	files, err := newFiles(ui)
	if err != nil {
		return nil, errors.Join(err, ui.Close())
	}

	mux := http.NewServeMux()
	mux.Handle(QueuesPath+"/api/", redactErrors(changes(ui, opts), opts.ErrorText))
	mux.Handle(QueuesPath+"/", files)
	return &Queues{handler: guard(mux, opts.Write), close: ui.Close}, nil
}

// ServeHTTP serves one request.
func (q *Queues) ServeHTTP(w http.ResponseWriter, r *http.Request) { q.handler.ServeHTTP(w, r) }

// Close closes the Redis connections of the pages.
func (q *Queues) Close() error {
	if err := q.close(); err != nil {
		return fmt.Errorf("close the queue pages: %w", err)
	}
	return nil
}

// checkRedis checks the options that asynqmon would panic about.
func checkRedis(opt asynq.RedisConnOpt) error {
	if opt == nil {
		return errNotRedis
	}

	client, ok := opt.MakeRedisClient().(redis.UniversalClient)
	if !ok {
		return errNotRedis
	}

	if err := client.Close(); err != nil {
		return fmt.Errorf("close a client: %w", err)
	}
	return nil
}

// hide replaces a text by its size.
func hide(content []byte) string {
	if len(content) == 0 {
		return ""
	}
	return redacted
}

// guard refuses changes: all of them without write, and cross-site ones with it.
func guard(next http.Handler, write bool) http.Handler {
	if write {
		return http.NewCrossOriginProtection().Handler(next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the queue pages are read-only; ADMIN_WRITE=true allows changes", http.StatusMethodNotAllowed)
			return
		}

		next.ServeHTTP(w, r)
	})
}
