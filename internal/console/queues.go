// Package console holds the pages for operators. Queues is the web UI of
// asynq, mounted so that it shows no payload and no text that is not ours, and
// asks nothing of any other host. A banner names what it does not show, and a
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

// QueuesPath is where the queue pages are mounted.
const QueuesPath = "/queues"

const redacted = "[redacted]"

// Options configure the queue pages.
type Options struct {
	// Redis opens connections of the pages' own.
	Redis asynq.RedisConnOpt
	// Write allows changes: pause, run, archive, delete.
	Write bool
	// Lanes pauses and resumes. It is needed with Write.
	Lanes Lanes
	// Change is told of every change before it is made; after an error it is not made.
	// It is needed with Write.
	Change func(ctx context.Context, c Change) error
	// ErrorText returns what may be shown of a task's error. Without it every
	// error is redacted: asynq keeps what libraries say, panics included.
	ErrorText func(text string) string
}

// Queues serves the queue pages under QueuesPath.
type Queues struct {
	handler http.Handler
	close   func() error
}

var errNotRedis = errors.New("the Redis options do not make a Redis client")

// NewQueues makes the pages. It does not need Redis to be there yet.
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

// Close closes the pages' connections to Redis.
func (q *Queues) Close() error {
	if err := q.close(); err != nil {
		return fmt.Errorf("close the queue pages: %w", err)
	}

	return nil
}

// checkRedis makes sure of what asynqmon would panic about.
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

// hide shows that there is something without showing it.
func hide(content []byte) string {
	if len(content) == 0 {
		return ""
	}

	return redacted
}

// guard refuses changes: all of them without write, and with it those that
// another site makes a browser send.
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
