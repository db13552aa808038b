package httpapi

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"
)

// bodyMax is the limit of a message or receipt, in bytes.
const bodyMax = 1 << 20

// storageTimeout bounds what a request waits for Redis, so that together with
// limitTimeout a caller hears within 2 s that it is down.
const storageTimeout = 1500 * time.Millisecond

// bounded is the context for storage work. It outlives the caller's interest:
// work cut off half-way leaves open whether it was done.
func (a *api) bounded(c echo.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(c.Request().Context()), storageTimeout)
}

// readBody reads at most bodyMax bytes. over tells that there are more.
func readBody(r *http.Request) (body []byte, over bool, err error) { return readBodyUpTo(r, bodyMax) }

// trustedLength is how much room a body gets for its announced length alone, in
// bytes: more than nearly all messages have.
const trustedLength = 16 << 10

func readBodyUpTo(r *http.Request, limit int64) (body []byte, over bool, err error) {
	if r.ContentLength > limit {
		return nil, true, nil
	}
	var read bytes.Buffer
	read.Grow(int(min(max(r.ContentLength, 0), trustedLength)) + bytes.MinRead)
	_, err = read.ReadFrom(io.LimitReader(r.Body, limit+1))
	body = read.Bytes()
	if err != nil {
		return nil, false, newProblem(codeInvalidJSON, "The body could not be read to its end.")
	}
	return body, int64(len(body)) > limit, nil
}

func tooLarge(limit int) *problem {
	return newProblem(codeBodyTooLarge, "The body is larger than "+strconv.Itoa(limit)+" bytes.")
}

// readJSON reads the body of a request. A request without a body needs no
// media type.
func readJSON(r *http.Request) ([]byte, error) {
	body, over, err := readBody(r)
	if err != nil {
		return nil, err
	}
	if (over || len(body) > 0) && !isJSON(r.Header) {
		return nil, newProblem(codeMediaType, "The body must be application/json in UTF-8 and not compressed.")
	}
	if over {
		return nil, tooLarge(bodyMax)
	}
	return body, nil
}

func isJSON(h http.Header) bool {
	mediaType, ok := bodyType(h)
	return ok && mediaType == echo.MIMEApplicationJSON
}

// writeJSON answers with content. It can only fail when the caller is gone.
func writeJSON(c echo.Context, status int, mediaType string, content any) {
	body, err := json.Marshal(content, json.Deterministic(true))
	if err != nil {
		status, mediaType, body = http.StatusInternalServerError, "application/problem+json", []byte(`{"status":500,"code":"internal"}`)
	}
	writeBytes(c, status, mediaType, body)
}

// writeMessage answers with a message.
func writeMessage(c echo.Context, status int, shown []byte) {
	writeBytes(c, status, echo.MIMEApplicationJSON, shown)
}

// shortBody is how many bytes of a body net/http keeps until the answer is over,
// and then gives their number by itself: one header less for nearly all answers,
// and eight are what a map holds before it has to grow.
const shortBody = 2048

// writeBytes answers with a body of known length.
func writeBytes(c echo.Context, status int, mediaType string, body []byte) {
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, mediaType)
	if len(body) >= shortBody {
		h.Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	}
	c.Response().WriteHeader(status)
	_, _ = c.Response().Write(body)
}
