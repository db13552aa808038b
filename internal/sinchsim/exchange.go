package sinchsim

import (
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxBody is the maximum size of a request, in bytes.
const maxBody = 1 << 20

// The recorder's names of operations that several APIs have.
const (
	OperationSend   = "send"
	OperationList   = "list"
	OperationGet    = "get"
	OperationReport = "report"
)

// Exchange is a call that passed its API's own checks; the script decides its behaviour.
type Exchange struct {
	Call      Call
	Responder Responder
	Magic     MagicTable
	Lane      *Lane
	// Accept assigns an id, stores the message and returns the response and the receipts.
	// It runs once, when the call is accepted.
	Accept func(d Direction) Acceptance
}

// Acceptance is the result of an accepted call.
type Acceptance struct {
	ID     string
	Answer Reply
	Events []*Event
}

// Handle serves a call with the script's behaviour: it is accepted or not, recorded,
// and answered.
func (s *Simulator) Handle(w http.ResponseWriter, r *http.Request, x Exchange) {
	d := s.script.direct(x.Call, x.Magic, x.Call.At)
	call := x.Call
	call.Answer = x.label(d.Behavior)
	call.Accepted = d.accepts()
	var a Acceptance
	var first chan struct{}
	if call.Accepted {
		a = x.Accept(d)
		call.ID = a.ID
		if d.Receipts.Early && len(a.Events) > 0 && x.Lane.isRunning() {
			first = make(chan struct{})
			a.Events[0].tried = first
		}
	}
	// The call is recorded before its client receives the response.
	s.recorder.record(call)
	x.Lane.push(a.Events...)
	s.logCall(call)
	s.awaitFirst(r, first)
	if !s.pause(r, time.Duration(d.Delay)+d.latency.draw(s.rng.Next())) {
		return
	}
	s.respond(w, r, d.Behavior, a.Answer, x.Responder)
}

// awaitFirst waits until the first receipt was tried, so that it precedes the
// response.
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

func (x Exchange) label(b Behavior) string {
	switch b.answer() {
	case AnswerRefuse:
		return b.Code
	case AnswerHTTP:
		return strconv.Itoa(b.Status)
	case AnswerThrottle, AnswerOK, AnswerHTML, AnswerHang, AnswerReset, AnswerDrop, AnswerBroken, AnswerCut:
	}
	return string(b.answer())
}

// Decline responds to a call that its API's own checks refuse.
func (s *Simulator) Decline(w http.ResponseWriter, call Call, code string, answer Reply) {
	call.Answer = code
	s.recorder.record(call)
	s.logCall(call)
	answer.Write(w)
}

func (s *Simulator) logCall(c Call) {
	s.opts.Logger.Debug().Str("api", string(c.API)).Str("operation", c.Operation).
		Bool("accepted", c.Accepted).Str("answer", c.Answer).Msg("simulated call")
}

// NewCall begins the record of a call.
func NewCall(api API, operation string) Call {
	return Call{At: time.Now(), API: api, Operation: operation}
}

// About returns the call with its reference and recipients, bare numbers.
func (c Call) About(reference string, numbers ...string) Call {
	c.Reference, c.Message, c.Numbers = reference, messageOf(reference), numbers
	return c
}

// ReadBody reads a request body up to maxBody. It reads a longer one to its end as
// well, so that the response is not lost in a reset.
func ReadBody(w http.ResponseWriter, r *http.Request) (body []byte, tooLong bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	return body, err != nil
}

// Answered returns the call with its response.
func (c Call) Answered(answer string) Call {
	c.Answer = answer
	return c
}

// Encode encodes v, which must be encodable, as JSON. Bytes that are not UTF-8, for
// example from a query, are replaced.
func Encode(v any) []byte {
	body, err := json.Marshal(v, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return []byte("{}")
	}
	return body
}
