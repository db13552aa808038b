package pages

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// search answers with the page of what was searched for: an id, a reference, an id of
// Sinch, a number, or words of a filter such as status:failed.
func (h *Handler) search(w http.ResponseWriter, r *http.Request) error {
	to, err := h.resolve(r.Context(), strings.TrimSpace(r.FormValue("q")))
	if err != nil {
		return err
	}
	http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // find returns paths of the console
	return nil
}

const messagesPath = Root + "messages"

// resolve is the page that answers a search.
func (h *Handler) resolve(ctx context.Context, text string) (string, error) {
	if text == "" {
		return messagesPath, nil
	}
	if id, err := message.ParseID(text); err == nil {
		return messagesPath + "/" + string(id), nil
	}
	if id, _, err := message.ParseAttemptRef(text); err == nil {
		return messagesPath + "/" + string(id), nil
	}
	if id, err := message.ParseBatchID(text); err == nil {
		return Root + "batches/" + string(id), nil
	}
	if query, ok := wordsOf(text); ok {
		return messagesPath + "?" + query.Encode(), nil
	}
	if number, ok := h.Rules.Phone(text); ok && isNumber(text) {
		key, err := h.numberKey(ctx)
		if err != nil {
			return "", err
		}
		hash := hashNumber(key, number)
		h.searched.add(hash, number)
		return messagesPath + "?" + url.Values{numberField: {hash}}.Encode(), nil
	}
	if id, err := h.bySinchID(ctx, text); err != nil || id != "" {
		return messagesPath + "/" + string(id), err
	}
	return h.byReference(ctx, text)
}

// isNumber reports whether a text is written as a number with its country code is:
// references can consist of digits, too.
func isNumber(text string) bool {
	const national = 10
	digits := 0
	for _, c := range text {
		if c >= '0' && c <= '9' {
			digits++
		}
	}
	return digits >= national && (strings.HasPrefix(text, "+") || !strings.ContainsFunc(text, func(c rune) bool {
		return !strings.ContainsRune("0123456789 -().", c)
	}))
}

// wordsOf reads words such as status:failed; ok is false when there are others.
func wordsOf(text string) (query url.Values, ok bool) {
	query = url.Values{}
	for word := range strings.FieldsSeq(text) {
		name, value, found := strings.Cut(word, ":")
		if !found || value == "" || !slices.Contains(filterNames(), name) {
			return nil, false
		}
		query.Add(name, value)
	}
	return query, true
}

// bySinchID finds the message of an id of Sinch; empty: it is not known.
func (h *Handler) bySinchID(ctx context.Context, text string) (message.ID, error) {
	for _, api := range h.APIs {
		ref, err := h.Ledger.CallOf(ctx, api, text)
		switch {
		case errors.Is(err, ledger.ErrNotFound):
		case err != nil:
			return "", err
		default:
			if id, _, err := message.ParseAttemptRef(ref); err == nil {
				return id, nil
			}
		}
	}
	return "", nil
}

// byReference is the page of the message with a reference. Where no message has it,
// the text may be Sinch's id of a message without an entry in the index: a test
// message, one of a call with several recipients, or one that only the long-term log
// has.
func (h *Handler) byReference(ctx context.Context, text string) (string, error) {
	list, _, err := h.findAll(ctx, filter{Reference: text}, listLimit)
	if err == nil && len(list.Messages) == 0 {
		var bySinch found
		if bySinch, _, err = h.findAll(ctx, filter{Sinch: text}, 1); len(bySinch.Messages) > 0 {
			list = bySinch
		}
	}
	if err != nil {
		return "", err
	}
	if len(list.Messages) == 1 {
		return messagesPath + "/" + string(list.Messages[0].ID), nil
	}
	return messagesPath + "?" + url.Values{"reference": {text}}.Encode(), nil
}
