package sinchsim

import (
	"net"
	"net/http"
	"strconv"
	"time"
)

// Reply is an HTTP answer.
type Reply struct {
	Status int
	Header map[string]string
	Body   []byte
}

const (
	contentJSON = "application/json; charset=utf-8"
	contentHTML = "text/html; charset=utf-8"
	htmlPage    = "<!DOCTYPE html><html><head><title>Sinch</title></head><body><h1>Please try again later</h1></body></html>\n"
)

// Write writes the answer, as JSON unless a header says otherwise.
func (a Reply) Write(w http.ResponseWriter) { a.send(w, len(a.Body)) }

// send announces the whole body and writes n bytes of it.
func (a Reply) send(w http.ResponseWriter, n int) {
	h := w.Header()
	if len(a.Body) > 0 {
		h.Set("Content-Type", contentJSON)
	}
	for key, value := range a.Header {
		h.Set(key, value)
	}
	h.Set("Content-Length", strconv.Itoa(len(a.Body)))
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body[:n])
}

// Responder makes the responses of an API that the script requires.
type Responder interface {
	// Refuse returns the API's error with a code.
	Refuse(code string) Reply
	// Throttle returns the response above the rate.
	Throttle() Reply
}

// respond responds to a call by b; ok is the API's response of success.
func (s *Simulator) respond(w http.ResponseWriter, r *http.Request, b Behavior, ok Reply, to Responder) {
	switch b.answer() {
	case AnswerOK:
		ok.Write(w)
	case AnswerRefuse:
		to.Refuse(b.Code).Write(w)
	case AnswerThrottle:
		to.Throttle().Write(w)
	case AnswerHTTP:
		Reply{b.Status, b.Headers, []byte(b.Body)}.Write(w)
	case AnswerHTML:
		Reply{http.StatusOK, map[string]string{"Content-Type": contentHTML}, []byte(htmlPage)}.Write(w)
	case AnswerBroken:
		ok.Body = ok.Body[:len(ok.Body)/2]
		ok.Write(w)
	case AnswerCut:
		ok.send(w, len(ok.Body)/2) // half of it
	case AnswerHang:
		s.hang(r)
		hangUp(w, false)
	case AnswerReset:
		hangUp(w, true)
	case AnswerDrop:
		hangUp(w, false)
	}
}

// hang waits until the client disconnects, the simulator stops, or HangLimit has
// passed.
func (s *Simulator) hang(r *http.Request) {
	var over <-chan time.Time // never, without a limit
	if limit := s.opts.HangLimit; limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
	case <-r.Context().Done():
	case <-s.stopping:
	}
}

// hangUp closes the connection without a response, with or without a reset.
func hangUp(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		// Not a plain HTTP/1 connection: the closest to no response.
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0) // drop buffered data and send RST
	}
	_ = conn.Close()
}

// pause waits before a response; false: the client disconnected.
func (s *Simulator) pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.stopping:
		return true
	case <-r.Context().Done():
		return false
	}
}
