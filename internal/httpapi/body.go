package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/message"
)

// bodyMax is the limit of a message or receipt, in bytes.
const bodyMax = 1 << 20

// storageTimeout is the default of Options.StorageTimeout. Together with
// limitTimeout a caller gets the 503 within 2 s.
const storageTimeout = 1500 * time.Millisecond

// bounded is the context for storage calls. It is not canceled when the caller
// disconnects: a call that is cut off leaves its outcome unknown.
func (a *api) bounded(c echo.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(c.Request().Context()), a.StorageTimeout)
}

// The reading of a body.
const (
	// bodyProof is the part of a body that has to arrive before memory is reserved
	// for all of it: a caller that announces much and sends little uses little.
	bodyProof = 64 << 10
	// bodyPiece per pieceTimeout is the minimum pace of a larger body.
	bodyPiece    = 1 << 20
	pieceTimeout = 4 * time.Second
)

// readBody reads at most bodyMax bytes; over reports that there are more.
func (a *api) readBody(c echo.Context) (body []byte, over bool, err error) {
	return a.readBodyUpTo(c, bodyMax)
}

// readBodyUpTo reads at most limit bytes. Their memory is taken from the budget
// and returned when the request ends.
func (a *api) readBodyUpTo(c echo.Context, limit int64) (body []byte, over bool, err error) {
	return a.readBodyAt(c, limit, bodyCost)
}

// readBodyAt is readBodyUpTo for a body that takes the memory that cost says.
func (a *api) readBodyAt(c echo.Context, limit int64, cost func(n int64) int64) (body []byte, over bool, err error) {
	r, current := c.Request(), callOf(c)
	size := r.ContentLength
	switch {
	case size > limit:
		return nil, true, nil
	case size < 0: // unknown
		size = limit
	}
	tenant := current.caller.Scope.Tenant
	current.working = a.work.grant(tenant)
	if err := current.working.grow(r.Context(), cost(min(size, bodyProof))); err != nil {
		return nil, false, err
	}
	body, ended, err := readPiece(r.Body, make([]byte, 0, min(size, bodyProof)+bytes.MinRead), min(size, bodyProof)+1)
	if err != nil || ended {
		return body, false, err
	}
	current.working.release() // see grow
	current.reading = a.bodies.grant(tenant)
	if err := current.reading.grow(r.Context(), size); err != nil {
		return nil, false, err
	}
	if body, err = readRest(c, body, size, limit); err != nil || int64(len(body)) > limit {
		return nil, err == nil, err
	}
	return body, false, current.working.grow(r.Context(), cost(int64(len(body))))
}

// readRest reads the rest of a body at the minimum pace.
func readRest(c echo.Context, begin []byte, size, limit int64) (body []byte, err error) {
	control := http.NewResponseController(c.Response())
	body = append(make([]byte, 0, size+bytes.MinRead), begin...)
	for ended := false; !ended && int64(len(body)) <= limit; {
		_ = control.SetReadDeadline(time.Now().Add(pieceTimeout)) // a writer without deadlines has none to move
		if body, ended, err = readPiece(c.Request().Body, body, min(int64(len(body))+bodyPiece, limit+1)); err != nil {
			return nil, err
		}
	}
	_ = control.SetReadDeadline(time.Time{})
	_ = control.SetWriteDeadline(time.Now().Add(budgetPatience + writeTimeout))
	return body, nil
}

// readPiece reads until body has upTo bytes, or until the end.
func readPiece(from io.Reader, body []byte, upTo int64) (_ []byte, ended bool, err error) {
	for int64(len(body)) < upTo {
		n, err := from.Read(body[len(body):min(int64(cap(body)), upTo)])
		body = body[:len(body)+n]
		switch {
		case errors.Is(err, io.EOF):
			return body, true, nil
		case err != nil:
			return nil, false, newProblem(codeInvalidJSON, "The body could not be read to its end.")
		}
	}
	return body, false, nil
}

func tooLarge(limit int) *problem {
	return newProblem(codeBodyTooLarge, "The body is larger than "+strconv.Itoa(limit)+" bytes.")
}

// readJSON reads the body of a request. A request without a body needs no media
// type.
func (a *api) readJSON(c echo.Context) ([]byte, error) {
	body, over, err := a.readBody(c)
	if err != nil {
		return nil, err
	}
	if (over || len(body) > 0) && !isJSON(c.Request().Header) {
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

// writeJSON responds with content. It fails only when the caller has
// disconnected.
func writeJSON(c echo.Context, status int, content any) {
	mediaType := echo.MIMEApplicationJSON
	body, err := json.Marshal(content, json.Deterministic(true))
	if err != nil {
		status, mediaType, body = http.StatusInternalServerError, "application/problem+json", []byte(`{"status":500,"code":"internal"}`)
	}
	writeBytes(c, status, mediaType, body)
}

// streamJSON responds with content that may be large, without the whole JSON in
// memory. It fails only when the caller has disconnected.
func streamJSON(c echo.Context, status int, mediaType string, content any) {
	c.Response().Header().Set(echo.HeaderContentType, mediaType)
	c.Response().WriteHeader(status)
	_ = json.MarshalWrite(c.Response(), content, json.Deterministic(true))
}

// writeMessage responds with a message in JSON.
func writeMessage(c echo.Context, status int, m *message.Message, shown []byte) {
	callOf(c).message = m.ID
	writeBytes(c, status, echo.MIMEApplicationJSON, shown)
}

// shortBody is the size up to which net/http buffers a body and sets
// Content-Length itself. Most responses then have eight headers, which is the
// capacity of a map before it has to grow.
const shortBody = 2048

// writeBytes responds with a body of known length.
func writeBytes(c echo.Context, status int, mediaType string, body []byte) {
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, mediaType)
	if len(body) >= shortBody {
		h.Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	}
	c.Response().WriteHeader(status)
	_, _ = c.Response().Write(body)
}
