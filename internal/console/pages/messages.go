package pages

import (
	"errors"
	"net/http"
	"net/url"

	"mmsdispatch/internal/encryption"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// messagesBody is what the list of messages shows.
type messagesBody struct {
	found

	Log      logState
	Filter   filter
	Statuses []message.Status
	Lanes    []message.Lane
	More     string // the address of the next page; empty: there is none
}

func (h *Handler) messages(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Has("q") {
		return h.search(w, r)
	}
	f, err := readFilter(r.URL.Query())
	if err != nil {
		return err
	}
	list, logged, err := h.findAll(r.Context(), f, listLimit)
	if err != nil {
		return err
	}
	body := messagesBody{found: list, Log: logged, Filter: f, Statuses: message.Statuses(), Lanes: message.Lanes()}
	if list.Next != "" {
		query := f.query()
		query.Set("after", string(list.Next))
		body.More = messagesPath + "?" + query.Encode()
	}
	return h.show(w, r, "messages", "Messages", body)
}

// messageOf reads the message of a page. One whose key is missing is there without
// its content.
func (h *Handler) messageOf(r *http.Request) (*message.Message, error) {
	id, err := message.ParseID(r.PathValue("id"))
	if err != nil {
		return nil, errNoMessage
	}
	m, err := h.Ledger.Get(r.Context(), id)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return h.logged(r, id)
	case err != nil && (m == nil || !errors.Is(err, encryption.ErrKeyMissing)):
		return nil, err
	default:
		return m, nil
	}
}

// pathOf is the page of a message.
func pathOf(m *message.Message) string { return messagesPath + "/" + url.PathEscape(string(m.ID)) }

// logged finds a message in the long-term log.
func (h *Handler) logged(r *http.Request, id message.ID) (*message.Message, error) {
	if h.History == nil {
		return nil, errNoMessage
	}
	scopes, err := h.Status.Scopes.All(r.Context())
	if err != nil {
		return nil, err
	}
	for _, scope := range scopes {
		m, err := h.History.Message(r.Context(), scope, id)
		switch {
		case errors.Is(err, ledger.ErrNotFound):
		case err != nil && (m == nil || !errors.Is(err, encryption.ErrKeyMissing)):
			return nil, logOutage(err)
		default:
			return m, nil
		}
	}
	return nil, errNoMessage
}
