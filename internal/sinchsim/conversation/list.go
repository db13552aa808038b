package conversation

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"mmsdispatch/internal/sinchsim"
)

const (
	defaultMessagePage = 10
	maxMessagePage     = 1000
	// modeDispatch is the app's mode: no contacts, no conversations, and no retention by
	// default.
	modeDispatch = "DISPATCH"
	// dispatchSource has to be in the query, or the list is about conversations, of which
	// there are none.
	dispatchSource = "DISPATCH_SOURCE"
)

// dispatched is an accepted message.
type dispatched struct {
	id       string
	project  string
	request  *sendRequest
	accepted time.Time
}

func (m *dispatched) Identity() string { return m.id }

// Key implements sinchsim.Stored: the recipient.
func (m *dispatched) Key() string { return m.request.number() }

// messageView is a message in the API's format.
type messageView struct {
	ID             string          `json:"id"`
	Direction      string          `json:"direction"`
	Message        sendMessage     `json:"app_message"`
	Channel        channelIdentity `json:"channel_identity"`
	ConversationID string          `json:"conversation_id"`
	ContactID      string          `json:"contact_id"`
	Metadata       string          `json:"metadata"`
	Accepted       string          `json:"accept_time"`
	Mode           string          `json:"processing_mode"`
}

func (m *dispatched) view() messageView {
	return messageView{
		ID: m.id, Direction: "TO_CONTACT", Message: m.request.Message,
		Channel:  channelIdentity{Channel: channelMMS, Identity: m.request.number()},
		Metadata: m.request.Metadata, Accepted: sinchsim.FormatTime(m.accepted), Mode: modeDispatch,
	}
}

type messagePage struct {
	Messages []messageView `json:"messages"`
	Next     string        `json:"next_page_token"`
}

// messageQuery has the parameters of a list.
type messageQuery struct {
	window sinchsim.Query
	number string
	source string
}

// parseMessageQuery parses the supported parameters. A page token is the number of
// the page.
func parseMessageQuery(values url.Values) (messageQuery, *refusal) {
	q := messageQuery{number: values.Get("channel_identity"), source: values.Get("messages_source")}
	q.window.Size = defaultMessagePage
	for name, field := range map[string]*time.Time{"start_time": &q.window.Start, "end_time": &q.window.End} {
		text := values.Get(name)
		if text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return q, invalid(name + " is not a time.")
		}
		*field = at
	}
	for name, field := range map[string]*int{"page_size": &q.window.Size, "page_token": &q.window.Page} {
		text := values.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || (name == "page_size" && n > maxMessagePage) {
			return q, invalid(name + " is not valid.")
		}
		*field = n
	}
	return q, nil
}

// list lists the app's retained messages, newest first.
func (a *api) list(w http.ResponseWriter, r *http.Request) {
	call := sinchsim.NewCall(sinchsim.APIConversation, sinchsim.OperationList)
	values := r.URL.Query()
	q, refused := parseMessageQuery(values)
	if refused == nil && !a.knows(values.Get("app_id")) {
		refused = failure("NOT_FOUND", "The app is not known in this region.")
	}
	if refused != nil {
		a.sim.RecordLookup(call.Answered(refused.code))
		refused.reply().Write(w)
		return
	}
	if q.number != "" {
		call = call.About("", q.number)
	}
	a.sim.RecordLookup(call.Answered("ok"))
	var found []*dispatched
	if q.source == dispatchSource {
		found = a.store.Find(q.number, func(m *dispatched) bool {
			return m.project == r.PathValue("project") && m.request.AppID == values.Get("app_id") &&
				a.visible(m, call.At) && q.window.Covers(m.accepted)
		})
	}
	page := messagePage{Messages: []messageView{}}
	for _, m := range sinchsim.PageOf(q.window, found) {
		page.Messages = append(page.Messages, m.view())
	}
	if (q.window.Page+1)*q.window.Size < len(found) {
		page.Next = strconv.Itoa(q.window.Page + 1)
	}
	sinchsim.Reply{Status: http.StatusOK, Body: sinchsim.Encode(page)}.Write(w)
}

// visible: Sinch does not document that a message can be read right after its
// acceptance.
func (a *api) visible(m *dispatched, now time.Time) bool {
	return now.Sub(m.accepted) >= a.sim.Options().Conversation.ListDelay
}

func (a *api) get(w http.ResponseWriter, r *http.Request) {
	call := sinchsim.NewCall(sinchsim.APIConversation, sinchsim.OperationGet)
	call.ID = r.PathValue("id")
	m, ok := a.store.Get(call.ID)
	if !ok || m.project != r.PathValue("project") || r.URL.Query().Get("messages_source") != dispatchSource || !a.visible(m, call.At) {
		a.sim.RecordLookup(call.Answered("NOT_FOUND"))
		failure("NOT_FOUND", "The message is not known.").reply().Write(w)
		return
	}
	a.sim.RecordLookup(call.About(m.request.reference(), m.request.number()).Answered("ok"))
	sinchsim.Reply{Status: http.StatusOK, Body: sinchsim.Encode(m.view())}.Write(w)
}

type appView struct {
	ID          string          `json:"id"`
	DisplayName string          `json:"display_name"`
	Channels    []appChannel    `json:"channel_credentials"`
	Mode        string          `json:"processing_mode"`
	Rates       appRates        `json:"rate_limits"`
	Kept        retentionPolicy `json:"retention_policy"`
	Dispatched  retentionPolicy `json:"dispatch_retention_policy"`
	Queue       appQueue        `json:"queue_stats"`
}

type appChannel struct {
	Channel string `json:"channel"`
	State   string `json:"state"`
}

type appRates struct {
	Outbound int `json:"outbound"`
}

type retentionPolicy struct {
	Type string `json:"retention_type"`
	Days int    `json:"ttl_days"`
}

type appQueue struct {
	Size  int `json:"outbound_size"`
	Limit int `json:"outbound_limit"`
}

// app returns the app.
func (a *api) app(w http.ResponseWriter, r *http.Request) {
	call := sinchsim.NewCall(sinchsim.APIConversation, "app")
	if !a.knows(r.PathValue("app")) {
		a.sim.RecordLookup(call.Answered("NOT_FOUND"))
		failure("NOT_FOUND", "The app is not known in this region.").reply().Write(w)
		return
	}
	a.sim.RecordLookup(call.Answered("ok"))
	const (
		policy = "MESSAGE_EXPIRE_POLICY"
		kept   = 180
	)
	o := a.sim.Options().Conversation
	view := appView{
		ID: r.PathValue("app"), DisplayName: "Simulated", Mode: modeDispatch, Rates: appRates{Outbound: int(o.DrainRate)},
		Kept: retentionPolicy{policy, kept}, Dispatched: retentionPolicy{policy, o.RetentionDays},
		Queue: appQueue{Size: a.waiting(call.At), Limit: o.QueueLimit},
	}
	for _, channel := range a.channels() {
		view.Channels = append(view.Channels, appChannel{channel, "ACTIVE"})
	}
	sinchsim.Reply{Status: http.StatusOK, Body: sinchsim.Encode(view)}.Write(w)
}
