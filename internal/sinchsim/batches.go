package sinchsim

import (
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"
)

// batchesAPI is the SMS REST API with batches of type mt_media.
type batchesAPI struct {
	sim    *Simulator
	lane   *lane
	sender *callbackSender
	magic  magicTable
	store  *store[*batch]

	mu    sync.Mutex
	drain time.Time // when the plan's queue will be empty
}

func newBatchesAPI(s *Simulator) *batchesAPI {
	o := s.opts.Batches
	a := &batchesAPI{
		sim:    s,
		sender: newCallbackSender(s.opts.Receipts.Deliver, o.Streams, o.signer(s.rng)),
		magic:  xmsMagic(),
		store:  newStore[*batch](s.opts.MaxRecords),
	}
	a.lane = &lane{
		rule: doublingRetry{
			answerWithin: o.AnswerTimeout, base: o.RetryAfter, limit: o.Retries, slowDown: o.SlowDown,
		},
		width:      o.Streams,
		maxPending: s.opts.Receipts.MaxPending,
		post:       a.sender.post,
		log:        s.opts.Logger,
		wake:       make(chan struct{}, 1),
	}
	return a
}

func (a *batchesAPI) routes(mux *http.ServeMux) {
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

func (a *batchesAPI) deliveries() *lane { return a.lane }

func (a *batchesAPI) close() { a.sender.close() }

func (a *batchesAPI) forget() {
	a.store.forget()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drain = time.Time{}
}

// authorized checks the Bearer token, which belongs to one plan.
func (a *batchesAPI) authorized(next http.HandlerFunc) http.HandlerFunc {
	o := a.sim.opts.Batches
	return func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || token == "" ||
			o.Token != "" && token != o.Token ||
			o.Plan != "" && r.PathValue("plan") != o.Plan {
			refused := reply{status: http.StatusUnauthorized}
			if r.Method == http.MethodPost {
				_, _ = readBody(w, r)
				a.sim.decline(w, newCall(APIBatches, operationSend), "401", refused)
				return
			}
			refused.write(w)
			return
		}
		next(w, r)
	}
}

// The operations of the SMS REST API as the recorder names them.
const (
	operationSend   = "send"
	operationList   = "list"
	operationGet    = "get"
	operationReport = "report"
)

func (a *batchesAPI) send(w http.ResponseWriter, r *http.Request) {
	call := newCall(APIBatches, operationSend)
	q, body, refused := a.read(w, r, call.At)
	if refused != nil {
		if q != nil {
			call = call.about(q.Reference)
		}
		call.Body = body
		a.sim.decline(w, call, refused.label(), refused.reply())
		return
	}
	call = call.about(q.Reference, q.To...)
	call.Body = body
	a.sim.serve(w, r, exchange{
		call: call, responder: xmsResponder{}, magic: a.magic, lane: a.lane,
		accept: func(d direction) acceptance { return a.take(r.PathValue("plan"), q, d, call.At) },
	})
}

// read reads and checks a batch. The request is returned with a refusal too when
// it could be read.
func (a *batchesAPI) read(w http.ResponseWriter, r *http.Request, now time.Time) (*batchRequest, []byte, *xmsError) {
	body, tooLong := readBody(w, r)
	if tooLong {
		return nil, nil, &xmsError{status: http.StatusRequestEntityTooLarge}
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/json" {
		return nil, nil, &xmsError{status: http.StatusUnsupportedMediaType}
	}
	q, refused := parseBatch(body)
	if refused != nil {
		return nil, nil, refused
	}
	hasCallback := a.sim.opts.Batches.CallbackURL != "" || a.sim.opts.Receipts.Deliver != nil
	refused = q.check(now, hasCallback)
	return q, body, refused
}

// take stores an accepted batch and plans its reports.
func (a *batchesAPI) take(plan string, q *batchRequest, d direction, now time.Time) acceptance {
	rng := a.sim.rng.next()
	b := newBatch(newULID(now, rng), plan, q, now)
	start := now
	if q.sendAt.After(start) {
		start = q.sendAt
	}
	o := a.sim.opts
	for _, number := range q.To {
		r := d.receiptsFor(number, a.magic, o.NoMagicNumbers)
		codes := xmsCodes(r)
		if q.lacksParameter(number) {
			codes = []string{codeParameterMissing}
		}
		steps := o.Receipts.happen(codes, r, a.leaves(start), rng)
		b.recipients = append(b.recipients, recipient{number: number, steps: steps, receipts: r})
	}
	answer := reply{status: http.StatusCreated, body: encode(b.view())}
	if !o.CountsOnly {
		a.store.add(b)
	}
	return acceptance{id: b.id, answer: answer, events: a.callbacks(b, d.Receipts)}
}

// leaves is when a recipient leaves the plan's queue, which is first in, first
// out at the plan's rate.
func (a *batchesAPI) leaves(start time.Time) time.Time {
	perSecond := a.sim.opts.Batches.DrainRate
	if perSecond <= 0 {
		return start
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.drain.Before(start) {
		a.drain = start
	}
	at := a.drain
	a.drain = at.Add(time.Duration(float64(time.Second) / perSecond))
	return at
}
