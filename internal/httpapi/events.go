package httpapi

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/callback"
	"mmsdispatch/internal/message"
)

// Events is what the API needs of the streams of events.
type Events interface {
	Subscribe(ctx context.Context, scope message.Scope, keyID, after string) (*callback.Subscription, error)
	EraseEvents(ctx context.Context, scope message.Scope, since time.Time, ids ...message.ID) error
	EraseReceived(ctx context.Context, ids ...string) error
}

const (
	// eventsComment is how often a stream has a comment, so that proxies keep it open.
	eventsComment = 15 * time.Second
	// eventsAtOnce is about how many bytes of events are written at once.
	eventsAtOnce = 32 << 10
	// eventsWrite is how long a subscriber may take for what is written at once.
	eventsWrite = 10 * time.Second
	// eventsRetry is in how many seconds a stream beyond the limit may find a place.
	eventsRetry = "15"
	// eventsIDHeader is where an EventSource says where it was cut.
	eventsIDHeader = "Last-Event-ID"
)

// eventID is the form of the id of an event.
var eventID = regexp.MustCompile(`^[0-9]{1,15}-[0-9]{1,15}$`)

// streamEvents serves server-sent events until the caller leaves or is cut.
func (a *api) streamEvents(c echo.Context, caller Caller) error {
	after, types, err := readEventsQuery(c.Request())
	if err != nil {
		return err
	}
	if c.Request().Method == http.MethodHead {
		c.Response().Header().Set(echo.HeaderContentType, "text/event-stream")
		c.Response().WriteHeader(http.StatusOK)
		return nil
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	sub, err := a.Events.Subscribe(ctx, caller.Scope, caller.KeyID, after)
	if errors.Is(err, callback.ErrTooMany) {
		c.Response().Header().Set(echo.HeaderRetryAfter, eventsRetry)
	}
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), a.StorageTimeout)
		defer cancel()
		sub.Close(ctx)
	}()
	w := eventWriter{response: c.Response(), control: http.NewResponseController(c.Response())}
	_ = w.control.SetReadDeadline(time.Time{})
	c.Response().Header().Set(echo.HeaderContentType, "text/event-stream")
	c.Response().Header().Set("X-Accel-Buffering", "no") // nginx would keep events back
	c.Response().WriteHeader(http.StatusOK)
	if !w.write([]byte(": connected\n\n")) {
		return nil
	}
	w.follow(c.Request().Context(), sub, types)
	return nil
}

// readEventsQuery reads where to begin and which types to write; nil: all.
func readEventsQuery(r *http.Request) (after string, types []callback.Type, err error) {
	q := readQuery(r, "lastEventId", "types")
	after, given := q.get("lastEventId")
	name := "lastEventId"
	if header := r.Header.Get(eventsIDHeader); header != "" {
		after, given, name = header, true, eventsIDHeader
	}
	if given && !eventID.MatchString(after) {
		q.wrong(name, message.ProblemInvalid, "must be the id of an event")
	}
	if value, given := q.get("types"); given {
		for word := range strings.SplitSeq(value, ",") {
			if !slices.Contains(callback.Types(), callback.Type(word)) {
				q.wrong("types", message.ProblemInvalid, "must be types of events, separated by commas")
				break
			}
			types = append(types, callback.Type(word))
		}
	}
	if len(q.problems) > 0 {
		return "", nil, invalid(q.problems)
	}
	return after, types, nil
}

// eventWriter writes a stream of events.
type eventWriter struct {
	response *echo.Response
	control  *http.ResponseController
}

// write writes to the caller at once; ok is false when it cannot be done in time.
func (w eventWriter) write(text []byte) (ok bool) {
	_ = w.control.SetWriteDeadline(time.Now().Add(eventsWrite)) // a writer without deadlines has none to be moved
	if _, err := w.response.Write(text); err != nil {
		return false
	}
	return w.control.Flush() == nil
}

// writeReady writes an event and those that are there behind it, all at once.
func (w eventWriter) writeReady(sub *callback.Subscription, e callback.StreamEvent, types []callback.Type) (ok bool) {
	var text []byte
	for more := true; more; {
		if types == nil || slices.Contains(types, e.Type) {
			text = append(append(append(text, "id: "...), e.ID...), "\nevent: "...)
			text = append(append(append(append(text, e.Type...), "\ndata: "...), e.Data...), "\n\n"...)
		}
		if len(text) >= eventsAtOnce {
			break
		}
		e, more = sub.Ready()
	}
	return len(text) == 0 || w.write(text)
}

// follow writes the events of a subscription until it ends.
func (w eventWriter) follow(ctx context.Context, sub *callback.Subscription, types []callback.Type) {
	for comment := time.Now().Add(eventsComment); ; {
		wait, cancel := context.WithDeadline(ctx, comment)
		e, err := sub.Next(wait)
		cancel()
		switch {
		case err == nil:
			if !w.writeReady(sub, e, types) {
				return
			}
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		default:
			return
		}
		if time.Now().Before(comment) {
			continue
		}
		if comment = time.Now().Add(eventsComment); sub.KeepAlive(ctx) != nil || !w.write([]byte(": keep-alive\n\n")) {
			return
		}
	}
}
