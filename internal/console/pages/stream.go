package pages

import (
	"fmt"
	"net/http"
	"time"
)

const (
	// streamsMax bounds the open streams: a page that gets none is not refreshed.
	streamsMax = 40
	// streamEvery is the interval in which a page is refreshed.
	streamEvery = 2 * time.Second
	// streamFor bounds a stream; the browser opens the next one by itself.
	streamFor = 5 * time.Minute
	// streamWrite bounds one write.
	streamWrite = 10 * time.Second
)

// stream tells an open page, as server-sent events, when to read itself again.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request) {
	select {
	case h.streams <- struct{}{}:
		defer func() { <-h.streams }()
	default:
		http.Error(w, "too many pages are open", http.StatusServiceUnavailable)
		return
	}
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		http.Error(w, "streams are not supported", http.StatusNotImplemented)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	tick, end := time.NewTicker(streamEvery), time.NewTimer(streamFor)
	defer tick.Stop()
	defer end.Stop()
	for {
		if control.SetWriteDeadline(time.Now().Add(streamWrite)) != nil {
			return
		}
		if _, err := fmt.Fprint(w, "event: refresh\ndata: {}\n\n"); err != nil {
			return
		}
		if control.Flush() != nil {
			return
		}
		select {
		case <-tick.C:
		case <-end.C:
			return
		case <-r.Context().Done():
			return
		case <-h.closing:
			return
		}
	}
}
