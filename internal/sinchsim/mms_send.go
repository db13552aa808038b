package sinchsim

import (
	"net/http"
	"strconv"
)

// mmsSuccess is the answer to an accepted call.
type mmsSuccess struct {
	Status     string `json:"status"`
	To         string `json:"to,omitzero"`
	From       string `json:"from,omitzero"`
	MMSID      string `json:"mms-id"`
	TrackingID string `json:"tracking-id,omitzero"`
	Details    string `json:"status-details,omitzero"`
}

func (a *mmsAPI) send(w http.ResponseWriter, r *http.Request, call Call, q *mmsRequest) {
	call = call.about(q.Reference, q.To)
	refused := q.checkSend(a.sim.opts.MMS.ServiceID, call.At)
	if refused == nil && a.media != nil {
		refused = a.media.slides(r.Context(), q.Slides)
	}
	if refused != nil {
		a.fail(w, call, q.To, refused)
		return
	}
	call.Media = countMedia(q.Slides)
	a.sim.serve(w, r, a.exchange(call, q, a.newMMSID()))
}

func (a *mmsAPI) sendSaved(w http.ResponseWriter, r *http.Request, call Call, q *mmsRequest, key string) {
	call = call.about(q.Reference, q.To)
	refused := q.checkSendSaved(a.sim.opts.MMS.ServiceID, call.At)
	if refused == nil {
		refused = a.templates.check(key, q.MMSID, call.At)
	}
	if refused != nil {
		a.fail(w, call, q.To, refused)
		return
	}
	a.sim.serve(w, r, a.exchange(call, q, q.MMSID))
}

// exchange makes the exchange of one message to one recipient.
func (a *mmsAPI) exchange(call Call, q *mmsRequest, mmsID string) exchange {
	return exchange{
		call: call, responder: mmsResponder{q.To}, magic: a.magic, lane: a.lane,
		accept: func(d direction) acceptance {
			id := a.sim.rng.trackingID(a.sent.Add(1))
			receipts := d.Receipts
			if q.expired(call.At) {
				receipts = Receipts{Outcome: OutcomeExpired}
			}
			m := mmsSent{to: q.To, from: q.From, reference: q.Reference, mmsID: mmsID, trackingID: id}
			return acceptance{
				id:     id,
				events: a.receipts(m, receipts, call.At),
				answer: reply{status: http.StatusOK, body: encode(mmsSuccess{
					Status: "Success", To: q.To, From: q.From, MMSID: mmsID, TrackingID: id,
					Details: "MMS request accepted and queued for delivery",
				})},
			}
		},
	}
}

func (a *mmsAPI) newMMSID() string { return strconv.FormatUint(a.saved.Add(1), 10) }
