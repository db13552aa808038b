package sinchsim

import (
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	defaultMessagePage = 10
	maxMessagePage     = 1000
	// modeDispatch is the app's mode: no contacts, no conversations, and by
	// default nothing is kept.
	modeDispatch = "DISPATCH"
	// dispatchSource has to be asked for, or the list is about conversations, of
	// which there are none.
	dispatchSource = "DISPATCH_SOURCE"
)

// dispatched is an accepted message.
type dispatched struct {
	id       string
	project  string
	request  *sendRequest
	accepted time.Time
}

func (m *dispatched) identity() string { return m.id }

// key is what messages are looked up by.
func (m *dispatched) key() string { return m.request.number() }

// messageView is a message as the API shows it.
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
		Metadata: m.request.Metadata, Accepted: xmsTime(m.accepted), Mode: modeDispatch,
	}
}

type messagePage struct {
	Messages []messageView `json:"messages"`
	Next     string        `json:"next_page_token"`
}

// messageQuery is what a list is asked for.
type messageQuery struct {
	window query
	number string
	source string
}

// parseMessageQuery reads the parameters that the simulator knows. A page token
// is the number of the page.
func parseMessageQuery(values url.Values) (messageQuery, *conversationError) {
	q := messageQuery{number: values.Get("channel_identity"), source: values.Get("messages_source")}
	q.window.size = defaultMessagePage
	for name, field := range map[string]*time.Time{"start_time": &q.window.start, "end_time": &q.window.end} {
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
	for name, field := range map[string]*int{"page_size": &q.window.size, "page_token": &q.window.page} {
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

// list lists what the app keeps, newest first.
func (a *conversationAPI) list(w http.ResponseWriter, r *http.Request) {
	call := newCall(APIConversation, operationList)
	values := r.URL.Query()
	q, refused := parseMessageQuery(values)
	if refused == nil && !a.knows(values.Get("app_id")) {
		refused = conversationFailure("NOT_FOUND", "The app is not known in this region.")
	}
	if refused != nil {
		a.sim.recorder.recordLookup(call.answered(refused.code))
		refused.reply().write(w)
		return
	}
	if q.number != "" {
		call = call.about("", q.number)
	}
	a.sim.recorder.recordLookup(call.answered("ok"))
	var found []*dispatched
	if q.source == dispatchSource {
		found = a.store.find(q.number, func(m *dispatched) bool {
			return m.project == r.PathValue("project") && m.request.AppID == values.Get("app_id") &&
				a.visible(m, call.At) && q.window.covers(m.accepted)
		})
	}
	page := messagePage{Messages: []messageView{}}
	for _, m := range pageOf(q.window, found) {
		page.Messages = append(page.Messages, m.view())
	}
	if (q.window.page+1)*q.window.size < len(found) {
		page.Next = strconv.Itoa(q.window.page + 1)
	}
	reply{status: http.StatusOK, body: encode(page)}.write(w)
}

// visible: nothing promises that a message can be read right after it was
// accepted.
func (a *conversationAPI) visible(m *dispatched, now time.Time) bool {
	return now.Sub(m.accepted) >= a.sim.opts.Conversation.ListDelay
}

func (a *conversationAPI) get(w http.ResponseWriter, r *http.Request) {
	call := newCall(APIConversation, operationGet)
	call.ID = r.PathValue("id")
	m, ok := a.store.get(call.ID)
	if !ok || m.project != r.PathValue("project") || r.URL.Query().Get("messages_source") != dispatchSource || !a.visible(m, call.At) {
		a.sim.recorder.recordLookup(call.answered("NOT_FOUND"))
		conversationFailure("NOT_FOUND", "The message is not known.").reply().write(w)
		return
	}
	a.sim.recorder.recordLookup(call.about(m.request.reference(), m.request.number()).answered("ok"))
	reply{status: http.StatusOK, body: encode(m.view())}.write(w)
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

// app shows the app.
func (a *conversationAPI) app(w http.ResponseWriter, r *http.Request) {
	call := newCall(APIConversation, "app")
	if !a.knows(r.PathValue("app")) {
		a.sim.recorder.recordLookup(call.answered("NOT_FOUND"))
		conversationFailure("NOT_FOUND", "The app is not known in this region.").reply().write(w)
		return
	}
	a.sim.recorder.recordLookup(call.answered("ok"))
	const (
		policy = "MESSAGE_EXPIRE_POLICY"
		kept   = 180
	)
	o := a.sim.opts.Conversation
	view := appView{
		ID: r.PathValue("app"), DisplayName: "Simulated", Mode: modeDispatch, Rates: appRates{Outbound: int(o.DrainRate)},
		Kept: retentionPolicy{policy, kept}, Dispatched: retentionPolicy{policy, o.RetentionDays},
		Queue: appQueue{Size: a.waiting(call.At), Limit: o.QueueLimit},
	}
	for _, channel := range a.channels() {
		view.Channels = append(view.Channels, appChannel{channel, "ACTIVE"})
	}
	reply{status: http.StatusOK, body: encode(view)}.write(w)
}
