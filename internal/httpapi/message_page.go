package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
)

// The cost of message lists. A page of large messages takes far more time and
// memory than the acceptance of a message.
const (
	// pageBytes is the size at which a page ends before its limit; its cursor
	// continues. The default limit of the largest messages fits.
	pageBytes = 4 << 20
	// pagesBudget bounds the pages of all lists until they are written, in bytes.
	pagesBudget = 8 * pageBytes
	// searchesMin is the number of searches of messages that run at the same time,
	// on a small machine; a tenant may use half of them.
	searchesMin = 2
	// searchRest is the pause of a slot of a tenant after a search, in units of the
	// time that it took: one tenant's lists use a third of a processor.
	searchRest     = 2
	searchRestMost = 100 * time.Millisecond
	// searchPatience bounds the wait of a list for those before it.
	searchPatience = 5 * time.Second
)

// searchSlots is the number of searches of messages that run at the same time, so
// that processor time is left for other requests.
func searchSlots(processors int) int64 { return int64(max(searchesMin, processors/2)) }

// messagePage is a page of messages as JSON.
type messagePage struct {
	messages [][]byte
	bytes    int // of all messages
	next     *string
	complete bool
}

// add appends a message.
func (p *messagePage) add(m []byte) { p.messages, p.bytes = append(p.messages, m), p.bytes+len(m) }

// full reports whether the page ends here.
func (p *messagePage) full(limit int) bool { return len(p.messages) >= limit || p.bytes >= pageBytes }

// write responds with the page, in the format of page.
func (p *messagePage) write(c echo.Context) {
	begin := []byte(`{"data":[`)
	end := members{json: []byte("]")}
	if p.next == nil {
		end.null("nextCursor")
	} else {
		end.quoted("nextCursor", *p.next)
	}
	end.name("complete")
	end.json = append(strconv.AppendBool(end.json, p.complete), '}')
	size := len(begin) + p.bytes + max(len(p.messages)-1, 0) + len(end.json)
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	h.Set(echo.HeaderContentLength, strconv.Itoa(size))
	c.Response().WriteHeader(http.StatusOK)
	to := c.Response()
	_, _ = to.Write(begin) // fails only when the caller has disconnected
	for i, m := range p.messages {
		if i > 0 {
			_, _ = to.Write([]byte(","))
		}
		_, _ = to.Write(m)
	}
	_, _ = to.Write(end.json)
}
