package mms

import (
	"net/http"
	"strconv"

	"mmsdispatch/internal/sinchsim"
)

// success is the answer to an accepted call.
type success struct {
	Status     string `json:"status"`
	To         string `json:"to,omitzero"`
	From       string `json:"from,omitzero"`
	MMSID      string `json:"mms-id"`
	TrackingID string `json:"tracking-id,omitzero"`
	Details    string `json:"status-details,omitzero"`
}

func (a *api) send(w http.ResponseWriter, r *http.Request, call sinchsim.Call, q *request) {
	call = call.About(q.Reference, q.To)
	refused := q.checkSend(a.sim.Options().MMS.ServiceID, call.At)
	if refused == nil && a.media != nil {
		refused = a.media.slides(r.Context(), q.Slides)
	}
	if refused != nil {
		a.fail(w, call, q.To, refused)
		return
	}
	call.Media = countMedia(q.Slides)
	a.sim.Handle(w, r, a.exchange(call, q, a.newMMSID()))
}

func (a *api) sendSaved(w http.ResponseWriter, r *http.Request, call sinchsim.Call, q *request, key string) {
	call = call.About(q.Reference, q.To)
	refused := q.checkSendSaved(a.sim.Options().MMS.ServiceID, call.At)
	if refused == nil {
		refused = a.templates.check(key, q.MMSID, call.At)
	}
	if refused != nil {
		a.fail(w, call, q.To, refused)
		return
	}
	a.sim.Handle(w, r, a.exchange(call, q, q.MMSID))
}

// exchange makes the exchange of one message to one recipient.
func (a *api) exchange(call sinchsim.Call, q *request, mmsID string) sinchsim.Exchange {
	return sinchsim.Exchange{
		Call: call, Responder: responder{q.To}, Magic: a.magic, Lane: a.lane,
		Accept: func(d sinchsim.Direction) sinchsim.Acceptance {
			id := a.sim.Random().TrackingID(a.sent.Add(1))
			receipts := d.Receipts
			if q.expired(call.At) {
				receipts = sinchsim.Receipts{Outcome: sinchsim.OutcomeExpired}
			}
			m := sentMessage{to: q.To, from: q.From, reference: q.Reference, mmsID: mmsID, trackingID: id}
			return sinchsim.Acceptance{
				ID:     id,
				Events: a.receipts(m, receipts, call.At),
				Answer: sinchsim.Reply{Status: http.StatusOK, Body: sinchsim.Encode(success{
					Status: "Success", To: q.To, From: q.From, MMSID: mmsID, TrackingID: id,
					Details: "MMS request accepted and queued for delivery",
				})},
			}
		},
	}
}

func (a *api) newMMSID() string { return strconv.FormatUint(a.saved.Add(1), 10) }
