package mms

import (
	"mime"
	"net/http"
	"sync/atomic"

	"mmsdispatch/internal/sinchsim"
)

// path is the API's only URL; the body's action picks the operation.
const path = "/ep/v2/"

// The actions of the MMS API that the simulator knows.
const (
	actionSend      = "sendmms"
	actionSave      = "savemms"
	actionSendSaved = "sendsavedmms"
)

// firstID gives ids the form of Sinch's, which are short numbers.
const firstID = 35_000

// api is the MMS JSON API.
type api struct {
	sim       *sinchsim.Simulator
	lane      *sinchsim.Lane
	sender    *sinchsim.CallbackSender
	magic     sinchsim.MagicTable
	templates *templates
	media     *mediaCheck   // nil: media are not fetched
	sent      atomic.Uint64 // accepted messages, for their tracking ids
	saved     atomic.Uint64 // number of issued mms-ids
}

// New makes the MMS JSON API of a simulator.
func New(s *sinchsim.Simulator) sinchsim.Service {
	o := s.Options().MMS
	a := &api{
		sim:       s,
		sender:    sinchsim.NewCallbackSender(s.Options().Receipts.Deliver, 1, nil),
		magic:     magicNumbers(),
		templates: newTemplates(s.Options().MaxRecords),
	}
	a.saved.Store(firstID)
	// One event a request, one request after the other, over one connection.
	a.lane = s.NewLane(sinchsim.FixedRetry{AnswerWithin: o.AnswerTimeout, After: o.RetryAfter, Limit: o.Retries}, 1, a.sender)
	if s.Options().FetchMedia {
		a.media = newMediaCheck()
	}
	return a
}

func (a *api) Routes(mux *http.ServeMux) {
	mux.HandleFunc(path+"{$}", a.serve)
	mux.HandleFunc(path[:len(path)-1], a.serve)
}

func (a *api) Deliveries() *sinchsim.Lane { return a.lane }

func (a *api) Clear() { a.templates.clear() }

func (a *api) Close() {
	a.sender.Close()
	if a.media != nil {
		a.media.close()
	}
}

// serve checks the fields that every action has, then calls the operation.
// Every answer has the status 200; the body says success or failure.
func (a *api) serve(w http.ResponseWriter, r *http.Request) {
	call := sinchsim.NewCall(sinchsim.APIMMS, "")
	body, tooLong := sinchsim.ReadBody(w, r)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method != http.MethodPost || kind != "application/json" {
		a.fail(w, call, "", failure("E100"))
		return
	}
	key := r.Header.Get("X-Api-Key")
	if key == "" || a.sim.Options().MMS.APIKey != "" && key != a.sim.Options().MMS.APIKey {
		a.fail(w, call, "", failure("E104"))
		return
	}
	if tooLong {
		a.fail(w, call, "", failure("E108"))
		return
	}
	req, refused := parseRequest(body)
	if refused != nil {
		a.fail(w, call, "", refused)
		return
	}
	call.Operation, call.Body = req.Action, body
	switch req.Action {
	case actionSend:
		a.send(w, r, call, req)
	case actionSave:
		a.save(w, r, call, req, key)
	case actionSendSaved:
		a.sendSaved(w, r, call, req, key)
	default:
		call.Operation = ""
		a.fail(w, call, req.To, failure("E107"))
	}
}

// fail answers a call that the API's own checks refuse.
func (a *api) fail(w http.ResponseWriter, call sinchsim.Call, to string, refused *refusal) {
	a.sim.Decline(w, call, refused.code, responder{to}.failure(refused))
}
