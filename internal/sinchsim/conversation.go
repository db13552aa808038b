package sinchsim

import (
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"
)

// conversationAPI is the Conversation API of one app, in dispatch mode.
type conversationAPI struct {
	sim    *Simulator
	lane   *lane
	sender *callbackSender
	magic  magicTable
	tokens *tokenIssuer
	store  *store[*dispatched]

	mu    sync.Mutex
	drain time.Time // when the app's queue will be empty
}

func newConversationAPI(s *Simulator) *conversationAPI {
	o := s.opts.Conversation
	a := &conversationAPI{
		sim:    s,
		sender: newCallbackSender(s.opts.Receipts.Deliver, o.Streams, o.signer(s.rng)),
		magic:  conversationMagic(),
		tokens: newTokenIssuer(o, s.rng),
		store:  newStore[*dispatched](s.opts.MaxRecords),
	}
	a.lane = &lane{
		rule:       doublingRetry{answerWithin: o.AnswerTimeout, base: o.RetryAfter, limit: o.Retries},
		width:      o.Streams,
		maxPending: s.opts.Receipts.MaxPending,
		post:       a.sender.post,
		log:        s.opts.Logger,
		wake:       make(chan struct{}, 1),
	}
	return a
}

func (a *conversationAPI) routes(mux *http.ServeMux) {
	const project = "/v1/projects/{project}"
	mux.HandleFunc("POST /oauth2/token", a.token)
	mux.HandleFunc("POST "+project+"/messages:send", a.authorized(a.send))
	mux.HandleFunc("GET "+project+"/messages", a.authorized(a.list))
	mux.HandleFunc("GET "+project+"/messages/{id}", a.authorized(a.get))
	mux.HandleFunc("GET "+project+"/apps/{app}", a.authorized(a.app))
}

func (a *conversationAPI) deliveries() *lane { return a.lane }

func (a *conversationAPI) close() { a.sender.close() }

func (a *conversationAPI) forget() {
	a.store.forget()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drain = time.Time{}
}

// authorized checks the token, then the project.
func (a *conversationAPI) authorized(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		refused := a.admit(r)
		if refused == nil {
			next(w, r)
			return
		}
		if r.Method == http.MethodPost {
			_, _ = readBody(w, r)
			a.sim.decline(w, newCall(APIConversation, operationSend), refused.code, refused.reply())
			return
		}
		refused.reply().write(w)
	}
}

func (a *conversationAPI) admit(r *http.Request) *conversationError {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	why := a.tokens.refuses(token, time.Now())
	if !strings.EqualFold(scheme, "Bearer") {
		why = "The access token is missing"
	}
	if why != "" {
		refused := conversationFailure("UNAUTHENTICATED", why+".")
		refused.header = map[string]string{"WWW-Authenticate": `Bearer error="invalid_token", error_description="` + why + `"`}
		return refused
	}
	if known := a.sim.opts.Conversation.Project; known != "" && r.PathValue("project") != known {
		return conversationFailure("NOT_FOUND", "The project is not known in this region.")
	}
	return nil
}

// knows reports whether the app is the one of this region.
func (a *conversationAPI) knows(app string) bool {
	known := a.sim.opts.Conversation.App
	return app != "" && (known == "" || app == known)
}

func (a *conversationAPI) send(w http.ResponseWriter, r *http.Request) {
	call := newCall(APIConversation, operationSend)
	q, body, refused := a.read(w, r)
	if q != nil {
		call = call.about(q.reference())
	}
	call.Body = body
	if refused == nil && a.full(call.At) {
		refused = conversationFailure("RESOURCE_EXHAUSTED", "The queue of the app is full.")
	}
	if refused != nil {
		a.sim.decline(w, call, refused.code, refused.reply())
		return
	}
	call = call.about(q.reference(), q.number())
	call.Body = body
	project := r.PathValue("project")
	a.sim.serve(w, r, exchange{
		call: call, responder: conversationResponder{}, magic: a.magic, lane: a.lane,
		accept: func(d direction) acceptance { return a.take(project, q, d, call.At) },
	})
}

// read reads a message and makes the first part of the checks. The request is
// returned with a refusal too when it could be read.
func (a *conversationAPI) read(w http.ResponseWriter, r *http.Request) (*sendRequest, []byte, *conversationError) {
	body, tooLong := readBody(w, r)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if tooLong || kind != "application/json" {
		return nil, nil, invalid("The body is too long, or not of the type application/json.")
	}
	q, refused := parseSend(body)
	if refused != nil {
		return nil, nil, refused
	}
	if refused := q.check(a.channels()); refused != nil {
		return q, body, refused
	}
	if !a.knows(q.AppID) {
		return q, body, conversationFailure("NOT_FOUND", "The app is not known in this region.")
	}
	return q, body, nil
}

// channels are those set up in the app.
func (a *conversationAPI) channels() []string {
	if a.sim.opts.Conversation.MMSOnly {
		return []string{channelMMS}
	}
	return []string{channelMMS, channelSMS}
}

type sendAnswer struct {
	ID       string `json:"message_id"`
	Accepted string `json:"accepted_time"`
}

// take keeps an accepted message, if the app does, and plans its reports.
func (a *conversationAPI) take(project string, q *sendRequest, d direction, now time.Time) acceptance {
	rng := a.sim.rng.next()
	m := &dispatched{id: newULID(now, rng), project: project, request: q, accepted: now}
	o := a.sim.opts
	r := d.receiptsFor(q.number(), a.magic, o.NoMagicNumbers)
	codes := conversationCodes(r, q.falls())
	leaves := a.leaves(now)
	switch {
	case !q.sound():
		codes = []string{codeBadRequest}
	case q.life > 0 && leaves.Sub(now) > q.life:
		codes = []string{codeMessageExpired}
	}
	steps := o.Receipts.happen(codes, r, leaves, rng)
	if o.Conversation.RetentionDays > 0 && !o.CountsOnly {
		a.store.add(m)
	}
	return acceptance{
		id: m.id, events: a.reports(m, r.notices(steps)),
		answer: reply{status: http.StatusOK, body: encode(sendAnswer{m.id, xmsTime(now)})},
	}
}

// leaves is when a message leaves the app's queue, which is first in, first out
// at the app's rate.
func (a *conversationAPI) leaves(now time.Time) time.Time {
	perSecond := a.sim.opts.Conversation.DrainRate
	if perSecond <= 0 {
		return now
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.drain.Before(now) {
		a.drain = now
	}
	at := a.drain
	a.drain = at.Add(time.Duration(float64(time.Second) / perSecond))
	return at
}

// waiting is how many messages the app's queue holds.
func (a *conversationAPI) waiting(now time.Time) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return max(0, int(a.drain.Sub(now).Seconds()*a.sim.opts.Conversation.DrainRate))
}

func (a *conversationAPI) full(now time.Time) bool {
	return a.waiting(now) >= a.sim.opts.Conversation.QueueLimit
}
