package batches

import (
	"mime"
	"net/http"
	"strings"
	"time"

	"mmsdispatch/internal/sinchsim"
)

// api is the SMS REST API with batches of the types mt_media and mt_text.
type api struct {
	sim    *sinchsim.Simulator
	lane   *sinchsim.Lane
	sender *sinchsim.CallbackSender
	magic  sinchsim.MagicTable
	store  *sinchsim.Store[*batch]
	queue  sinchsim.Queue
}

// New makes the SMS REST API of a simulator.
func New(s *sinchsim.Simulator) sinchsim.Service {
	o := s.Options().Batches
	a := &api{
		sim:    s,
		sender: sinchsim.NewCallbackSender(s.Options().Receipts.Deliver, o.Streams, o.Signer(s.Random())),
		magic:  magicNumbers(),
		store:  sinchsim.NewStore[*batch](s.Options().MaxRecords),
	}
	a.lane = s.NewLane(sinchsim.DoublingRetry{
		AnswerWithin: o.AnswerTimeout, Base: o.RetryAfter, Limit: o.Retries, SlowDown: o.SlowDown,
	}, o.Streams, a.sender)
	return a
}

func (a *api) Routes(mux *http.ServeMux) {
	const plan = "/xms/v1/{plan}"
	mux.HandleFunc("POST "+plan+"/batches", a.authorized(a.send))
	mux.HandleFunc("GET "+plan+"/batches", a.authorized(a.list))
	mux.HandleFunc("POST "+plan+"/batches/dry_run", a.authorized(a.dryRun))
	mux.HandleFunc("GET "+plan+"/batches/{id}", a.authorized(a.get))
	mux.HandleFunc("DELETE "+plan+"/batches/{id}", a.authorized(a.cancel))
	mux.HandleFunc("POST "+plan+"/batches/{id}/delivery_feedback", a.authorized(a.feedback))
	mux.HandleFunc("GET "+plan+"/batches/{id}/delivery_report", a.authorized(a.batchReport))
	mux.HandleFunc("GET "+plan+"/batches/{id}/delivery_report/{number}", a.authorized(a.recipientReport))
	mux.HandleFunc("GET "+plan+"/delivery_reports", a.authorized(a.listReports))
}

func (a *api) Deliveries() *sinchsim.Lane { return a.lane }

func (a *api) Close() { a.sender.Close() }

func (a *api) Clear() {
	a.store.Clear()
	a.queue.Clear()
}

// authorized checks the Bearer token, which belongs to one plan.
func (a *api) authorized(next http.HandlerFunc) http.HandlerFunc {
	o := a.sim.Options().Batches
	return func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || token == "" ||
			o.Token != "" && token != o.Token ||
			o.Plan != "" && r.PathValue("plan") != o.Plan {
			refused := sinchsim.Reply{Status: http.StatusUnauthorized}
			if r.Method == http.MethodPost {
				_, _ = sinchsim.ReadBody(w, r)
				a.sim.Decline(w, sinchsim.NewCall(sinchsim.APIBatches, sinchsim.OperationSend), "401", refused)
				return
			}
			refused.Write(w)
			return
		}
		next(w, r)
	}
}

func (a *api) send(w http.ResponseWriter, r *http.Request) {
	call := sinchsim.NewCall(sinchsim.APIBatches, sinchsim.OperationSend)
	q, body, refused := a.read(w, r, call.At)
	if refused != nil {
		if q != nil {
			call = call.About(q.Reference)
		}
		call.Body = body
		a.sim.Decline(w, call, refused.label(), refused.reply())
		return
	}
	call = call.About(q.Reference, q.To...)
	call.Body = body
	a.sim.Handle(w, r, sinchsim.Exchange{
		Call: call, Responder: responder{}, Magic: a.magic, Lane: a.lane,
		Accept: func(d sinchsim.Direction) sinchsim.Acceptance { return a.accept(r.PathValue("plan"), q, d, call.At) },
	})
}

// read reads and checks a batch. The request is returned with a refusal too when
// it could be read.
func (a *api) read(w http.ResponseWriter, r *http.Request, now time.Time) (*batchRequest, []byte, *refusal) {
	body, tooLong := sinchsim.ReadBody(w, r)
	if tooLong {
		return nil, nil, &refusal{status: http.StatusRequestEntityTooLarge}
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/json" {
		return nil, nil, &refusal{status: http.StatusUnsupportedMediaType}
	}
	q, refused := parseBatch(body)
	if refused != nil {
		return nil, nil, refused
	}
	hasCallback := a.sim.Options().Batches.CallbackURL != "" || a.sim.Options().Receipts.Deliver != nil
	refused = q.check(now, hasCallback)
	return q, body, refused
}

// accept stores an accepted batch and schedules its reports.
func (a *api) accept(plan string, q *batchRequest, d sinchsim.Direction, now time.Time) sinchsim.Acceptance {
	rng := a.sim.Random().Next()
	b := newBatch(sinchsim.NewULID(now, rng), plan, q, now)
	start := now
	if q.sendAt.After(start) {
		start = q.sendAt
	}
	o := a.sim.Options()
	for _, number := range q.To {
		r := d.ReceiptsFor(number, a.magic, o.NoMagicNumbers)
		codes := reportCodes(r)
		if q.lacksParameter(number) {
			codes = []string{codeParameterMissing}
		}
		steps := o.Receipts.Timeline(codes, r, a.queue.Push(start, o.Batches.DrainRate), rng)
		b.recipients = append(b.recipients, recipient{number: number, steps: steps, receipts: r})
	}
	answer := sinchsim.Reply{Status: http.StatusCreated, Body: sinchsim.Encode(b.view())}
	if !o.CountsOnly {
		a.store.Add(b)
	}
	return sinchsim.Acceptance{ID: b.id, Answer: answer, Events: a.callbacks(b, d.Receipts)}
}
