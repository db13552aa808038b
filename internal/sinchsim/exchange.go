package sinchsim

import (
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxBody is the largest request that is read.
const maxBody = 1 << 20

// exchange is a call that passed its API's own checks and the script now decides about.
type exchange struct {
	call      Call
	responder responder
	magic     magicTable
	lane      *lane
	// accept takes the message: it gives it an id, stores it, and says what is
	// answered and which receipts follow. It runs once, when the call is accepted.
	accept func(d direction) acceptance
}

// acceptance is what an API makes of a call it has accepted.
type acceptance struct {
	id     string
	answer reply
	events []*event
}

// serve serves a call as the script decides: it is accepted or not, recorded,
// and answered.
func (s *Simulator) serve(w http.ResponseWriter, r *http.Request, x exchange) {
	d := s.script.direct(x.call, x.magic, x.call.At)
	call := x.call
	call.Answer = x.label(d.Behavior)
	call.Accepted = d.accepts()
	var a acceptance
	var first chan struct{}
	if call.Accepted {
		a = x.accept(d)
		call.ID = a.id
		if d.Receipts.Early && len(a.events) > 0 && x.lane.isRunning() {
			first = make(chan struct{})
			a.events[0].tried = first
		}
	}
	// The call is recorded before anybody can learn of it.
	s.recorder.record(call)
	x.lane.push(a.events...)
	s.logCall(call)
	s.awaitFirst(r, first)
	if !s.pause(r, time.Duration(d.Delay)+d.latency.draw(s.rng.next())) {
		return
	}
	s.respond(w, r, d.Behavior, a.answer, x.responder)
}

// awaitFirst waits until the first receipt was tried, so that it is there before
// the answer.
func (s *Simulator) awaitFirst(r *http.Request, first <-chan struct{}) {
	if first == nil {
		return
	}
	select {
	case <-first:
	case <-s.stopping:
	case <-r.Context().Done():
	}
}

func (x exchange) label(b Behavior) string {
	switch b.answer() {
	case AnswerRefuse:
		return b.Code
	case AnswerHTTP:
		return strconv.Itoa(b.Status)
	case AnswerThrottle, AnswerOK, AnswerHTML, AnswerHang, AnswerReset, AnswerDrop, AnswerBroken, AnswerCut:
	}
	return string(b.answer())
}

// decline answers a call that its API's own checks refuse.
func (s *Simulator) decline(w http.ResponseWriter, call Call, code string, answer reply) {
	call.Answer = code
	s.recorder.record(call)
	s.logCall(call)
	answer.write(w)
}

func (s *Simulator) logCall(c Call) {
	s.opts.Logger.Debug().Str("api", string(c.API)).Str("operation", c.Operation).
		Bool("accepted", c.Accepted).Str("answer", c.Answer).Msg("simulated call")
}

// newCall begins the record of a call.
func newCall(api API, operation string) Call {
	return Call{At: time.Now(), API: api, Operation: operation}
}

func (c Call) about(reference string, numbers ...string) Call {
	c.Reference, c.Message, c.Numbers = reference, messageOf(reference), numbers
	return c
}

// encode writes v, which always can be written, as JSON. Bytes that are not UTF-8
// can come in through a query and are replaced.
func encode(v any) []byte {
	body, err := json.Marshal(v, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return []byte("{}")
	}
	return body
}
