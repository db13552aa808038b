package sinchsim

import (
	"net"
	"net/http"
	"strconv"
	"time"
)

// reply is an HTTP answer.
type reply struct {
	status int
	header map[string]string
	body   []byte
}

const (
	contentJSON = "application/json; charset=utf-8"
	contentHTML = "text/html; charset=utf-8"
	htmlPage    = "<!DOCTYPE html><html><head><title>Sinch</title></head><body><h1>Please try again later</h1></body></html>\n"
)

func (a reply) write(w http.ResponseWriter) { a.send(w, len(a.body)) }

// send announces the whole body and writes n bytes of it.
func (a reply) send(w http.ResponseWriter, n int) {
	h := w.Header()
	if len(a.body) > 0 {
		h.Set("Content-Type", contentJSON)
	}
	for key, value := range a.header {
		h.Set(key, value)
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body[:n])
}

// responder makes the answers that every API has, each in its own form.
type responder interface {
	refuse(code string) reply
	throttle() reply
}

// respond answers a call as b says; ok is the API's own answer of success.
func (s *Simulator) respond(w http.ResponseWriter, r *http.Request, b Behavior, ok reply, to responder) {
	switch b.answer() {
	case AnswerOK:
		ok.write(w)
	case AnswerRefuse:
		to.refuse(b.Code).write(w)
	case AnswerThrottle:
		to.throttle().write(w)
	case AnswerHTTP:
		reply{b.Status, b.Headers, []byte(b.Body)}.write(w)
	case AnswerHTML:
		reply{http.StatusOK, map[string]string{"Content-Type": contentHTML}, []byte(htmlPage)}.write(w)
	case AnswerBroken:
		ok.body = ok.body[:len(ok.body)/2]
		ok.write(w)
	case AnswerCut:
		ok.send(w, len(ok.body)/2) // half of it
	case AnswerHang:
		s.hang(r)
		hangUp(w, false)
	case AnswerReset:
		hangUp(w, true)
	case AnswerDrop:
		hangUp(w, false)
	}
}

// hang waits until the client goes, the simulator stops, or HangLimit has passed.
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

// hangUp closes the connection without an answer, with a reset or in good order.
func hangUp(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		// Not a plain HTTP/1 connection: the nearest thing to no answer.
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0) // unsent data is thrown away and the peer gets a RST
	}
	_ = conn.Close()
}

// pause waits before an answer; false means that the client has gone.
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
