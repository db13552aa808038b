package pages

import (
	"context"
	"strings"

	"mmsdispatch/internal/pause"
)

// senderKind begins the scope of a sender.
const senderKind = "sender:"

// hideSender replaces the number of a sender's scope by its hash, so that no page has
// the number.
func hideSender(key []byte, scope string) string {
	number, ok := strings.CutPrefix(scope, senderKind)
	if !ok {
		return scope
	}
	return senderKind + hashNumber(key, number)
}

// scope reads the scope of a form, in which senders are hidden: those that are
// configured or paused are known.
func (h *Handler) scope(ctx context.Context, text string) (pause.Scope, error) {
	hash, ok := strings.CutPrefix(text, senderKind)
	if !ok {
		return scopeOf(text)
	}
	key, err := h.numberKey(ctx)
	if err != nil {
		return "", err
	}
	for _, s := range h.Senders {
		if scope, err := pause.Sender(s.Number); err == nil && hideSender(key, string(scope)) == senderKind+hash {
			return scope, nil
		}
	}
	pauses, err := pause.NewStore(h.Redis).Read(ctx)
	if err != nil {
		return "", err
	}
	for _, p := range pauses {
		if hideSender(key, string(p.Scope)) == text {
			return p.Scope, nil
		}
	}
	return "", pause.ErrScope
}
