package httpapi

import (
	"context"
	"errors"
	"time"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// Media checks the media of a message before it is accepted.
type Media interface {
	// Check returns one text per URL: the reason why it can never be sent, or ""
	// when it can or when the check did not finish before ctx ended.
	Check(ctx context.Context, scope message.Scope, urls []string) []string
}

// mediaTimeout bounds the wait for media hosts. The worker checks the media of
// slower ones.
const mediaTimeout = 3 * time.Second

// checkMedia refuses a new message with media that cannot be sent. A repeated
// message is answered from the record: its media may no longer exist.
func (a *api) checkMedia(c echo.Context, caller Caller, draft message.Draft) error {
	if a.Media == nil || len(draft.Late) > 0 {
		return nil
	}
	// The ledger is queried first, also without a reference, so that a caller gets
	// the 503 of a broken Redis at once and not after its media were fetched.
	known, err := a.exists(c, caller, draft.Content.ClientReference)
	if known || err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), mediaTimeout)
	defer cancel()
	var wrong []message.FieldError
	for i, text := range a.Media.Check(ctx, caller.Scope, draft.Content.Media) {
		if text != "" {
			wrong = append(wrong, message.FieldError{Field: draft.MediaField(i), Code: message.ProblemInvalid, Message: text})
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	a.rejected(draft)
	return invalid(wrong)
}

// exists reports whether a message has the reference.
func (a *api) exists(c echo.Context, caller Caller, ref string) (bool, error) {
	ctx, cancel := a.bounded(c)
	defer cancel()
	_, err := a.Ledger.ByReference(ctx, caller.Scope, ref)
	if errors.Is(err, ledger.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
