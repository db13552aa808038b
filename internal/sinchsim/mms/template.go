package mms

import (
	"net/http"
	"sync"
	"time"

	"mmsdispatch/internal/sinchsim"
)

// templates are the messages saved with savemms.
type templates struct {
	mu    sync.Mutex
	byID  map[string]template
	order sinchsim.Ring[string]
	limit int
}

// template is usable with its owner's key from ready on, unless it is unusable.
type template struct {
	key      string
	ready    time.Time
	unusable bool
}

func newTemplates(limit int) *templates {
	t := &templates{limit: limit}
	t.clear()
	return t
}

func (t *templates) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byID, t.order = map[string]template{}, sinchsim.Ring[string]{Limit: t.limit}
}

func (t *templates) save(id string, v template) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old, dropped := t.order.Push(id); dropped {
		delete(t.byID, old)
	}
	t.byID[id] = v
}

// ClearTemplates drops all saved messages.
func (a *api) ClearTemplates() { a.templates.clear() }

// check reports whether a template may be sent at now.
func (t *templates) check(key, id string, now time.Time) *refusal {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.byID[id]
	switch {
	case !ok || v.key != key || v.unusable && !now.Before(v.ready):
		return failure("E241")
	case now.Before(v.ready):
		return failure("E626")
	}
	return nil
}

// save stores a template. N003 follows: at once for images and text, after
// encoding for audio and video.
func (a *api) save(w http.ResponseWriter, r *http.Request, call sinchsim.Call, q *request, key string) {
	call = call.About(q.Reference)
	refused := q.checkSave(call.At)
	if refused == nil && a.media != nil {
		refused = a.media.slides(r.Context(), q.Slides)
	}
	if refused != nil {
		a.fail(w, call, "", refused)
		return
	}
	call.Media = countMedia(q.Slides)
	a.sim.Handle(w, r, sinchsim.Exchange{
		Call: call, Responder: responder{}, Lane: a.lane,
		Accept: func(d sinchsim.Direction) sinchsim.Acceptance { return a.keep(q, key, d.Receipts, call.At) },
	})
}

func (a *api) keep(q *request, key string, r sinchsim.Receipts, now time.Time) sinchsim.Acceptance {
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
		ready = now.Add(max(a.sim.Options().MMS.EncodeTime, 0))
	}
	code := "N003"
	switch r.OutcomeOrDefault() {
	case sinchsim.OutcomeRejected, sinchsim.OutcomeFailed, sinchsim.OutcomeMedia:
		code = trouble
	case sinchsim.OutcomeDelivered, sinchsim.OutcomeExpired, sinchsim.OutcomeBlocked, sinchsim.OutcomeSMS,
		sinchsim.OutcomeSMSFailed, sinchsim.OutcomeSent, sinchsim.OutcomeNone:
	}
	a.templates.save(id, template{key: key, ready: ready, unusable: code != "N003"})
	answer := sinchsim.Reply{Status: http.StatusOK, Body: sinchsim.Encode(success{Status: "Success", MMSID: id})}
	return sinchsim.Acceptance{ID: id, Answer: answer, Events: a.templateEvents(id, q.Reference, code, r, ready)}
}

func (a *api) templateEvents(id, reference, code string, r sinchsim.Receipts, ready time.Time) []*sinchsim.Event {
	o := a.sim.Options()
	if o.MMS.CallbackURL == "" && o.Receipts.Deliver == nil {
		return nil
	}
	r.Codes = nil // codes of messages, not of templates
	steps := o.Receipts.Timeline([]string{code}, r, ready, a.sim.Random().Next())
	var events []*sinchsim.Event
	for _, n := range r.Notices(steps) {
		body := receipt{Origin: "MMS_MT", Code: n.Code, MMSID: id, Reference: reference}
		events = append(events, a.event(body, n.Due))
	}
	return events
}
