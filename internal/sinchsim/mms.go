package sinchsim

import (
	"io"
	"mime"
	"net/http"
	"sync/atomic"
)

// mmsPath is the API's only URL; the body's action picks the operation.
const mmsPath = "/ep/v2/"

// The actions of the MMS API that the simulator knows.
const (
	actionSend      = "sendmms"
	actionSave      = "savemms"
	actionSendSaved = "sendsavedmms"
)

// firstMMSID makes ids look like Sinch's, which are short numbers.
const firstMMSID = 35_000

// mmsAPI is the MMS JSON API.
type mmsAPI struct {
	sim       *Simulator
	lane      *lane
	sender    *callbackSender
	magic     magicTable
	templates *templates
	media     *mediaCheck   // nil: media are not fetched
	sent      atomic.Uint64 // accepted messages, for their tracking ids
	saved     atomic.Uint64 // mms-ids given out
}

func newMMSAPI(s *Simulator) *mmsAPI {
	o := s.opts.MMS
	a := &mmsAPI{
		sim:       s,
		sender:    newCallbackSender(s.opts.Receipts.Deliver, 1, nil),
		magic:     mmsMagic(),
		templates: newTemplates(s.opts.MaxRecords),
	}
	a.saved.Store(firstMMSID)
	// One event a request, one request after the other, over one connection.
	a.lane = &lane{
		rule:       fixedRetry{answerWithin: o.AnswerTimeout, after: o.RetryAfter, limit: o.Retries},
		width:      1,
		maxPending: s.opts.Receipts.MaxPending,
		post:       a.sender.post,
		log:        s.opts.Logger,
		wake:       make(chan struct{}, 1),
	}
	if s.opts.FetchMedia {
		a.media = newMediaCheck()
	}
	return a
}

func (a *mmsAPI) routes(mux *http.ServeMux) {
	mux.HandleFunc(mmsPath+"{$}", a.serve)
	mux.HandleFunc(mmsPath[:len(mmsPath)-1], a.serve)
}

func (a *mmsAPI) deliveries() *lane { return a.lane }

func (a *mmsAPI) forget() { a.templates.forget() }

func (a *mmsAPI) close() {
	a.sender.close()
	if a.media != nil {
		a.media.close()
	}
}

// serve checks what is the same for every action, then picks the operation.
// Every answer has the status 200; the body says success or failure.
func (a *mmsAPI) serve(w http.ResponseWriter, r *http.Request) {
	call := newCall(APIMMS, "")
	body, tooLong := readBody(w, r)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method != http.MethodPost || kind != "application/json" {
		a.fail(w, call, "", mmsFailure("E100"))
		return
	}
	key := r.Header.Get("X-Api-Key")
	if key == "" || a.sim.opts.MMS.APIKey != "" && key != a.sim.opts.MMS.APIKey {
		a.fail(w, call, "", mmsFailure("E104"))
		return
	}
	if tooLong {
		a.fail(w, call, "", mmsFailure("E108"))
		return
	}
	req, refused := parseMMS(body)
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
		a.fail(w, call, req.To, mmsFailure("E107"))
	}
}

// fail answers a call that the API's own checks refuse.
func (a *mmsAPI) fail(w http.ResponseWriter, call Call, to string, refused *mmsError) {
	a.sim.decline(w, call, refused.code, mmsResponder{to}.failure(refused))
}

// readBody reads a request body up to maxBody. It is read to its end also when
// it is of no use, so that the answer is not lost in a reset.
func readBody(w http.ResponseWriter, r *http.Request) (body []byte, tooLong bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	return body, err != nil
}
