package conversation

import (
	"mime"
	"net/http"
	"strings"
	"time"

	"mmsdispatch/internal/sinchsim"
)

// api is the Conversation API of one app, in dispatch mode.
type api struct {
	sim    *sinchsim.Simulator
	lane   *sinchsim.Lane
	sender *sinchsim.CallbackSender
	magic  sinchsim.MagicTable
	tokens *tokenIssuer
	store  *sinchsim.Store[*dispatched]
	queue  sinchsim.Queue
}

// New makes the Conversation API of a simulator.
func New(s *sinchsim.Simulator) sinchsim.Service {
	o := s.Options().Conversation
	a := &api{
		sim:    s,
		sender: sinchsim.NewCallbackSender(s.Options().Receipts.Deliver, o.Streams, o.Signer(s.Random())),
		magic:  magicNumbers(),
		tokens: newTokenIssuer(o, s.Random()),
		store:  sinchsim.NewStore[*dispatched](s.Options().MaxRecords),
	}
	a.lane = s.NewLane(sinchsim.DoublingRetry{AnswerWithin: o.AnswerTimeout, Base: o.RetryAfter, Limit: o.Retries}, o.Streams, a.sender)
	return a
}

func (a *api) Routes(mux *http.ServeMux) {
	const project = "/v1/projects/{project}"
	mux.HandleFunc("POST /oauth2/token", a.token)
	mux.HandleFunc("POST "+project+"/messages:send", a.authorized(a.send))
	mux.HandleFunc("GET "+project+"/messages", a.authorized(a.list))
	mux.HandleFunc("GET "+project+"/messages/{id}", a.authorized(a.get))
	mux.HandleFunc("GET "+project+"/apps/{app}", a.authorized(a.app))
}

func (a *api) Deliveries() *sinchsim.Lane { return a.lane }

func (a *api) Close() { a.sender.Close() }

func (a *api) Clear() {
	a.store.Clear()
	a.queue.Clear()
}

// authorized checks the token, then the project.
func (a *api) authorized(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		refused := a.admit(r)
		if refused == nil {
			next(w, r)
			return
		}
		if r.Method == http.MethodPost {
			_, _ = sinchsim.ReadBody(w, r)
			a.sim.Decline(w, sinchsim.NewCall(sinchsim.APIConversation, sinchsim.OperationSend), refused.code, refused.reply())
			return
		}
		refused.reply().Write(w)
	}
}

func (a *api) admit(r *http.Request) *refusal {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	why := a.tokens.refusal(token, time.Now())
	if !strings.EqualFold(scheme, "Bearer") {
		why = "The access token is missing"
	}
	if why != "" {
		refused := failure("UNAUTHENTICATED", why+".")
		refused.header = map[string]string{"WWW-Authenticate": `Bearer error="invalid_token", error_description="` + why + `"`}
		return refused
	}
	if known := a.sim.Options().Conversation.Project; known != "" && r.PathValue("project") != known {
		return failure("NOT_FOUND", "The project is not known in this region.")
	}
	return nil
}

// knows reports whether the app exists in this region.
func (a *api) knows(app string) bool {
	known := a.sim.Options().Conversation.App
	return app != "" && (known == "" || app == known)
}

func (a *api) send(w http.ResponseWriter, r *http.Request) {
	call := sinchsim.NewCall(sinchsim.APIConversation, sinchsim.OperationSend)
	q, body, refused := a.read(w, r)
	if q != nil {
		call = call.About(q.reference())
	}
	call.Body = body
	if refused == nil && a.full(call.At) {
		refused = failure("RESOURCE_EXHAUSTED", "The queue of the app is full.")
	}
	if refused != nil {
		a.sim.Decline(w, call, refused.code, refused.reply())
		return
	}
	call = call.About(q.reference(), q.number())
	call.Body = body
	project := r.PathValue("project")
	a.sim.Handle(w, r, sinchsim.Exchange{
		Call: call, Responder: responder{}, Magic: a.magic, Lane: a.lane,
		Accept: func(d sinchsim.Direction) sinchsim.Acceptance { return a.accept(project, q, d, call.At) },
	})
}

// read reads a message and makes the first part of the checks. The request is
// returned with a refusal too when it could be read.
func (a *api) read(w http.ResponseWriter, r *http.Request) (*sendRequest, []byte, *refusal) {
	body, tooLong := sinchsim.ReadBody(w, r)
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
		return q, body, failure("NOT_FOUND", "The app is not known in this region.")
	}
	return q, body, nil
}

// channels are the app's channels.
func (a *api) channels() []string {
	if a.sim.Options().Conversation.MMSOnly {
		return []string{channelMMS}
	}
	return []string{channelMMS, channelSMS}
}

type sendAnswer struct {
	ID       string `json:"message_id"`
	Accepted string `json:"accepted_time"`
}

// accept stores an accepted message, if the app retains messages, and schedules its
// reports.
func (a *api) accept(project string, q *sendRequest, d sinchsim.Direction, now time.Time) sinchsim.Acceptance {
	rng := a.sim.Random().Next()
	m := &dispatched{id: sinchsim.NewULID(now, rng), project: project, request: q, accepted: now}
	o := a.sim.Options()
	r := d.ReceiptsFor(q.number(), a.magic, o.NoMagicNumbers)
	codes := reportCodes(r, q.allowsSMS())
	start := a.queue.Push(now, o.Conversation.DrainRate)
	switch {
	case !q.deliverable():
		codes = []string{codeBadRequest}
	case q.life > 0 && start.Sub(now) > q.life:
		codes = []string{codeMessageExpired}
	}
	steps := o.Receipts.Timeline(codes, r, start, rng)
	if o.Conversation.RetentionDays > 0 && !o.CountsOnly {
		a.store.Add(m)
	}
	return sinchsim.Acceptance{
		ID: m.id, Events: a.reports(m, r.Notices(steps)),
		Answer: sinchsim.Reply{Status: http.StatusOK, Body: sinchsim.Encode(sendAnswer{m.id, sinchsim.FormatTime(now)})},
	}
}

// waiting is the length of the app's queue.
func (a *api) waiting(now time.Time) int {
	return a.queue.Len(now, a.sim.Options().Conversation.DrainRate)
}

func (a *api) full(now time.Time) bool {
	return a.waiting(now) >= a.sim.Options().Conversation.QueueLimit
}
