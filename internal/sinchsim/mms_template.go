package sinchsim

import (
	"net/http"
	"sync"
	"time"
)

// templates are the messages saved with savemms.
type templates struct {
	mu    sync.Mutex
	byID  map[string]template
	order ring[string]
	limit int
}

// template is usable by its owner's key from ready on, unless it was spoilt.
type template struct {
	key    string
	ready  time.Time
	spoilt bool
}

func newTemplates(limit int) *templates {
	t := &templates{limit: limit}
	t.forget()
	return t
}

func (t *templates) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byID, t.order = map[string]template{}, ring[string]{limit: t.limit}
}

func (t *templates) save(id string, v template) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old, dropped := t.order.push(id); dropped {
		delete(t.byID, old)
	}
	t.byID[id] = v
}

// ForgetTemplates makes Sinch lose all saved messages: sending one is refused with E241.
func (s *Simulator) ForgetTemplates() { s.mms.templates.forget() }

// check reports whether a template may be sent at now.
func (t *templates) check(key, id string, now time.Time) *mmsError {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.byID[id]
	switch {
	case !ok || v.key != key || v.spoilt && !now.Before(v.ready):
		return mmsFailure("E241")
	case now.Before(v.ready):
		return mmsFailure("E626")
	}
	return nil
}

// save stores a template. N003 follows: at once for images and text, after
// encoding for audio and video.
func (a *mmsAPI) save(w http.ResponseWriter, r *http.Request, call Call, q *mmsRequest, key string) {
	call = call.about(q.Reference)
	refused := q.checkSave(call.At)
	if refused == nil && a.media != nil {
		refused = a.media.slides(r.Context(), q.Slides)
	}
	if refused != nil {
		a.fail(w, call, "", refused)
		return
	}
	call.Media = countMedia(q.Slides)
	a.sim.serve(w, r, exchange{
		call: call, responder: mmsResponder{}, lane: a.lane,
		accept: func(d direction) acceptance { return a.keep(q, key, d.Receipts, call.At) },
	})
}

func (a *mmsAPI) keep(q *mmsRequest, key string, r Receipts, now time.Time) acceptance {
	id := a.newMMSID()
	ready, trouble := now, "E004"
	for i := range q.Slides {
		switch {
		case q.Slides[i].Audio != nil:
			trouble = "E002"
		case q.Slides[i].Video != nil:
			trouble = "E003"
		default:
			continue
		}
		ready = now.Add(max(a.sim.opts.MMS.EncodeTime, 0))
	}
	code := "N003"
	switch r.outcome() {
	case OutcomeRejected, OutcomeFailed, OutcomeMedia:
		code = trouble
	case OutcomeDelivered, OutcomeExpired, OutcomeBlocked, OutcomeSMS, OutcomeSMSFailed, OutcomeSent, OutcomeNone:
	}
	a.templates.save(id, template{key: key, ready: ready, spoilt: code != "N003"})
	answer := reply{status: http.StatusOK, body: encode(mmsSuccess{Status: "Success", MMSID: id})}
	return acceptance{id: id, answer: answer, events: a.templateEvents(id, q.Reference, code, r, ready)}
}

func (a *mmsAPI) templateEvents(id, reference, code string, r Receipts, ready time.Time) []*event {
	o := a.sim.opts
	if o.MMS.CallbackURL == "" && o.Receipts.Deliver == nil {
		return nil
	}
	r.Codes = nil // codes of messages, not of templates
	steps := o.Receipts.happen([]string{code}, r, ready, a.sim.rng.next())
	var events []*event
	for _, n := range r.notices(steps) {
		body := mmsReceipt{Origin: "MMS_MT", Code: n.code, MMSID: id, Reference: reference}
		events = append(events, a.event(body, n.due))
	}
	return events
}
